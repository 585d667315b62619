"""A run within limits on times ends in a child that keeps them, priced as a whole model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.api import Run, run
from blockwright.costs import CostModel, Scenario
from blockwright.errors import UserError
from blockwright.graph.block_graph import BlockGraph
from blockwright.hardware.profile import HardwareProfile

MACHINE = """\
name: small
memory_gib: 0.01
bandwidth_gb_s: 0.1
peak_tflops: {bf16: 0.001}
overhead_gib: 0
step_overhead_us: 5
"""
CHAT = Scenario(batch=8, input_tokens=64, output_tokens=32)
CODE = Scenario(batch=2, input_tokens=512, output_tokens=16)
SECTIONS = """\
hardware: small.yaml
scenario: {batch: 8, input_tokens: 64, output_tokens: 32}
scenarios: {code: {batch: 2, input_tokens: 512, output_tokens: 16}}
budget:
"""


@pytest.fixture(scope="module")
def within(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Runs the tiny recipe on a small machine within the limits that are given."""
    folder = tmp_path_factory.mktemp("times")
    (folder / "small.yaml").write_text(MACHINE)
    recipe = make_recipe(folder)
    text = recipe.read_text()

    def finished(limits: str) -> Run:
        recipe.write_text(text.replace("budget:\n  params: 90%", SECTIONS + limits))
        return run(recipe, "stages=[]", "search.rounds=0")

    return finished


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> CostModel:
    file = tmp_path_factory.mktemp("machine") / "small.yaml"
    file.write_text(MACHINE)
    return CostModel(HardwareProfile.load(file))


LIMITS = {
    "decode_ms": ("  decode_ms: 60%", "decode_ms", CHAT),
    "prefill_ms": ("  prefill_ms: 60%", "prefill_ms", CHAT),
    "tpot_ms": ("  tpot_ms: 1.5x", "tpot_ms", CHAT),
    "tokens_per_s": ("  tokens_per_s: 2x", "tokens_per_s", CHAT),
    "tokens_per_s of a named scenario": ("  scenarios: {code: {tokens_per_s: 150%}}", "tokens_per_s", CODE),
}
SHARES = {"decode_ms": 0.6, "prefill_ms": 0.6, "tpot_ms": 1 / 1.5}
RATES = {"tokens_per_s": 2.0, "tokens_per_s of a named scenario": 1.5}


@pytest.mark.parametrize("case", LIMITS)
def test_the_child_keeps_the_limit_and_wastes_little_of_it(
    case: str, within: Callable[..., Run], machine: CostModel, parent_graph: BlockGraph
) -> None:
    limits, name, scenario = LIMITS[case]
    child = getattr(machine.model(within(limits).graph, scenario), name)
    parent = getattr(machine.model(parent_graph, scenario), name)
    if case in RATES:
        assert RATES[case] <= child / parent < 1.5 * RATES[case]
    else:
        assert 0.6 * SHARES[case] < child / parent <= SHARES[case]


@pytest.fixture(scope="module")
def parent_graph(within: Callable[..., Run]) -> BlockGraph:
    """A child that may take all that its parent takes loses nothing, so it is the parent."""
    graph = within("  decode_ms: 100%").graph
    assert {node.label for node in graph.sub_blocks} == {"keep"}
    return graph


def test_what_the_solver_adds_up_is_what_the_whole_child_takes(within: Callable[..., Run], machine: CostModel) -> None:
    finished = within("  decode_ms: 60%\n  scenarios: {code: {tokens_per_s: 120%}}")
    costs = finished.solution.costs
    chat, code = (machine.model(finished.graph, scenario) for scenario in (CHAT, CODE))
    assert costs["decode_ms"] == pytest.approx(chat.decode_ms)
    assert costs["tpot_ms"] == pytest.approx(chat.tpot_ms)
    assert costs["ms_per_token"] == pytest.approx(1e3 / chat.tokens_per_s)
    assert costs["code.ms_per_token"] == pytest.approx(1e3 / code.tokens_per_s)
    assert costs["memory"] == pytest.approx(chat.memory_bytes)
    assert costs["params"] == finished.graph.params


def test_several_limits_hold_at_once(within: Callable[..., Run], machine: CostModel, parent_graph: BlockGraph) -> None:
    finished = within("  decode_ms: 70%\n  params: 80%\n  scenarios: {code: {tokens_per_s: 1.4x, memory: 90%}}")
    chat, code = (machine.model(finished.graph, scenario) for scenario in (CHAT, CODE))
    old_chat, old_code = (machine.model(parent_graph, scenario) for scenario in (CHAT, CODE))
    assert chat.decode_ms <= 0.7 * old_chat.decode_ms
    assert chat.parameters <= 0.8 * old_chat.parameters
    assert code.tokens_per_s >= 1.4 * old_code.tokens_per_s
    assert code.memory_bytes <= 0.9 * old_code.memory_bytes


def test_another_rate_is_solved_from_the_stored_scores(
    within: Callable[..., Run], machine: CostModel, parent_graph: BlockGraph
) -> None:
    finished = within("  decode_ms: 60%")
    parent = machine.model(parent_graph, CHAT)
    for times in (1.2, 3.0):
        solution = finished.solve({"tokens_per_s": f"{times}x"})
        assert 1e3 / solution.costs["ms_per_token"] >= times * parent.tokens_per_s


def test_a_rate_that_no_child_reaches_is_refused_with_the_best(within: Callable[..., Run]) -> None:
    with pytest.raises(
        UserError, match=r"tokens_per_s=1000x: no child of this space makes more than 35\.65 k tokens_per_s"
    ):
        within("  decode_ms: 60%").solve({"tokens_per_s": "1000x"})
