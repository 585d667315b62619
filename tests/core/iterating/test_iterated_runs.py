"""Searches in steps: each goes on from the healed child before it, and is measured against the dense parent."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from blockwright.api import Run, open_run, run
from blockwright.child.assembly import assemble
from blockwright.child.checkpoint import open_child
from blockwright.errors import UserError
from blockwright.files import sha256_of
from blockwright.iterating.base import Base
from blockwright.models.divergence import Reference, final_stream
from blockwright.parent import open_parent
from blockwright.plugins import installed_plugins

DRIVER = Path(__file__).parents[1] / "running" / "killed_run.py"
IN_STEPS = "iterations: {budgets: [{params: 95%}, {params: 90%}]}\n"


def results(finished: Run) -> dict[str, str]:
    """Checksums of what the last search and those before it came to."""
    made = (
        "01-library/*.safetensors",
        "02-scores/scores.json",
        "04-solve/solution.json",
        "0*/child/*",
        "*/evaluation.json",
    )
    folders = (finished.directory, *sorted((finished.directory / "iterations").iterdir()))
    files = [path for folder in folders for pattern in made for path in folder.glob(pattern) if path.is_file()]
    return {str(path.relative_to(finished.directory)): sha256_of(path) for path in files}


@pytest.fixture(scope="module")
def in_steps(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny recipe to 80 %, by 95 % and 90 %."""
    recipe = make_recipe(tmp_path_factory.mktemp("iterated"))
    recipe.write_text(recipe.read_text().replace("params: 90%", "params: 80%") + IN_STEPS)
    return recipe


@pytest.fixture(scope="module")
def iterated(in_steps: Path) -> Run:
    return run(in_steps)


def iteration(finished: Run, number: int) -> Run:
    return open_run(finished.directory / "iterations" / str(number))


def test_each_step_keeps_a_budget_of_its_own_and_ends_healed(iterated: Run) -> None:
    parent = iterated.files.prices().parent["params"]
    runs = [iteration(iterated, 1), iteration(iterated, 2), iterated]
    for one, share in zip(runs, (0.95, 0.90, 0.80), strict=True):
        assert one.solution.costs["params"] <= share * parent
        assert "06-refit" in one.steps and "07-evaluation" in one.steps
    sizes = [one.solution.costs["params"] for one in runs]
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_next_library_is_made_from_the_healed_child(iterated: Run) -> None:
    before, base = iteration(iterated, 2), iterated.files.base
    assert isinstance(base, Base) and base.assignment == dict(before.files.assignment())
    tokens = iterated.files.tokens["evaluation"]
    healed = final_stream(open_child(before.child), tokens)
    assert torch.equal(final_stream(base.stack(), tokens), healed)
    library, variants = iterated.files.library, iterated.files.variants
    as_it_is = assemble(base, library, base.assignment, variants)
    assert torch.equal(final_stream(as_it_is, tokens), healed)
    for sub_block in base.sub_blocks():
        assert library.variants(sub_block)[0] == base.present(sub_block)
        assert library.weights(sub_block, base.present(sub_block)) == {}


def test_children_are_measured_against_the_dense_parent(iterated: Run) -> None:
    files, solution = iterated.files, iterated.files.json("04-solve/solution.json")
    parent = open_parent(files.parent.directory, files.families)
    child = assemble(files.base, files.library, files.assignment(), files.variants)
    loss = Reference(parent.stack(), files.tokens["heldback"]).divergence(child)
    assert solution["realised"] == pytest.approx(loss, abs=1e-6)
    assert files.json("02-scores/origin.json")["from_base"] is True
    assert iteration(iterated, 1).files.json("02-scores/origin.json")["from_base"] is False


def test_the_built_child_is_that_of_the_graph(iterated: Run) -> None:
    files = iterated.files
    built = open_child(files.built_child())
    assembled = assemble(files.base, files.library, files.assignment(), files.variants)
    tokens = files.tokens["evaluation"]
    assert torch.equal(final_stream(built, tokens), final_stream(assembled, tokens))
    costs = iterated.solution.costs["params"]
    assert sum(node.params for node in iterated.graph.nodes) == costs
    weights = sum(torch.Size(tensor.shape).numel() for tensor in built.source.stored().values())  # type: ignore[attr-defined]
    assert weights == costs


def test_what_is_done_is_not_done_again(iterated: Run, in_steps: Path) -> None:
    before = results(iterated)
    lines = len((iterated.directory / "log.jsonl").read_text().splitlines())
    again = run(in_steps)
    events = [json.loads(line) for line in (again.directory / "log.jsonl").read_text().splitlines()[lines:]]
    assert not [event for event in events if event["event"] == "step_started"]
    assert results(again) == before


@pytest.mark.parametrize(("step", "event"), [("01-library", 3), ("06-refit", 1)])
def test_a_killed_run_ends_in_the_same_bytes(
    iterated: Run, in_steps: Path, tmp_path: Path, step: str, event: int
) -> None:
    """Killed in the first iteration."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(in_steps.read_text().replace(str(in_steps.parent / "runs"), str(tmp_path / "runs")))
    kill = [sys.executable, str(DRIVER), str(recipe)]
    assert subprocess.run([*kill, step, str(event)], capture_output=True, check=False).returncode == -signal.SIGKILL
    first = tmp_path / "runs" / "tiny" / "iterations" / "1"
    assert not (first / step / "done.json").exists()
    assert results(run(recipe)) == results(iterated)


def test_workers_of_their_own_leave_the_same_bytes(iterated: Run, in_steps: Path, tmp_path: Path) -> None:
    assert results(run(in_steps, f"runs={tmp_path}", "executor.name=processes", "executor.workers=2")) == results(
        iterated
    )


def test_another_last_budget_leaves_the_steps_before_it(iterated: Run, in_steps: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(iterated.directory, runs / "tiny")
    smaller = run(in_steps, f"runs={runs}", "budget.params=75%")
    started = [json.loads(line) for line in (smaller.directory / "log.jsonl").read_text().splitlines()]
    steps = [event["step"] for event in started if event["event"] == "step_started"]
    assert steps[-1] == "07-evaluation" and smaller.solution.costs["params"] < iterated.solution.costs["params"]
    assert sha256_of(smaller.directory / "02-scores" / "scores.json") == sha256_of(
        iterated.directory / "02-scores" / "scores.json"
    )


def test_fewer_steps_remove_what_more_have_left(iterated: Run, in_steps: Path, tmp_path: Path) -> None:
    shutil.copytree(iterated.directory, tmp_path / "tiny")
    plain = run(in_steps, f"runs={tmp_path}", "iterations=null")
    assert plain.files.base is plain.files.parent
    assert not (plain.directory / "00-base").exists() and not list((plain.directory / "iterations").iterdir())


def test_an_iteration_is_not_run_alone(iterated: Run) -> None:
    recipe = iterated.directory / "iterations" / "2" / "recipe.yaml"
    with pytest.raises(UserError, match=r"is an iteration of another run; type `blockwright run .*tiny/recipe.yaml`"):
        run(recipe)


def test_another_budget_is_solved_within_what_is_left(iterated: Run) -> None:
    solution = iterated.solve({"params": "75%"})
    left = {str(sub_block): {spec.label for spec in specs} for sub_block, specs in iterated.files.space().items()}
    assert all(solution.variants[name] in labels for name, labels in left.items())


def test_the_library_of_a_healed_child_is_not_shared_as_the_parents(iterated: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="made from a healed child"):
        iterated.share(tmp_path / "shared")
    iteration(iterated, 1).share(tmp_path / "shared")


def test_the_report_tells_each_step(iterated: Run) -> None:
    page = (iterated.directory / "report" / "index.html").read_text()
    assert "The search in 3 steps" in page
    for one in (iteration(iterated, 1), iteration(iterated, 2), iterated):
        final = one.evaluation["final"]
        assert isinstance(final, dict)
        assert f"{final['kl_nats_per_token']:.3g}"[:4] in page


@pytest.mark.parametrize("scorer", ["replace-one-block", "block-influence", "cosine"])
def test_every_scorer_goes_on_from_a_healed_child(iterated: Run, tmp_path: Path, scorer: str) -> None:
    """What is present loses nothing, whatever its name."""
    from blockwright.scoring import ScoreContext

    files = iterated.files
    made = installed_plugins().scorer(scorer)
    context = ScoreContext(files.base, files.library, files.variants, files.tokens["scoring"], tmp_path, 0)
    scored = dict(made(made.Options()).score(context))
    assert set(scored) == set(files.library.sub_blocks())
    for sub_block, scores in scored.items():
        assert set(scores) == {spec.label for spec in files.library.variants(sub_block)}
        assert scores[files.base.present(sub_block).label] == pytest.approx(0.0, abs=1e-6)
