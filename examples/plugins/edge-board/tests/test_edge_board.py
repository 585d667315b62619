"""The profile and the cost model of `edge-board` keep their contracts, and belong together."""

import pytest
from edge_board import EdgeBoardCosts, EdgeBoardOptions, register_resources

from blockwright.contracts.cost_models import COST_MODEL_CONTRACT
from blockwright.contracts.resources import RESOURCES_CONTRACT
from blockwright.hardware.operations import Gemm
from blockwright.hardware.profile import HardwareProfile

(RESOURCES,) = register_resources()
BOARD = HardwareProfile.read(RESOURCES.folder / "edge-board.yaml")
STEP, PROMPT = Gemm("bf16", m=1, n=4096, k=4096), Gemm("bf16", m=4096, n=4096, k=4096)


@pytest.mark.parametrize("rule", RESOURCES_CONTRACT, ids=lambda rule: rule.__name__)
def test_the_profile_keeps_the_contract(rule):
    rule(RESOURCES)


@pytest.mark.parametrize("rule", COST_MODEL_CONTRACT, ids=lambda rule: rule.__name__)
def test_the_cost_model_keeps_the_contract(rule):
    rule(EdgeBoardCosts(BOARD))


def test_a_step_waits_for_memory_and_a_prompt_for_arithmetic():
    step, prompt = (EdgeBoardCosts(BOARD).operation(one).ms - 0.025 for one in (STEP, PROMPT))
    assert step == pytest.approx(STEP.bytes / (0.75 * 100e9) * 1e3)
    assert prompt == pytest.approx(PROMPT.flops / (0.6 * 10e12) * 1e3)


def test_a_board_that_stays_cool_takes_prompts_faster():
    warm, cool = (EdgeBoardCosts(BOARD, EdgeBoardOptions(cooled=share)).operation(PROMPT).ms for share in (0.5, 1.0))
    assert cool < warm


def test_it_is_chosen_on_its_own_board_alone():
    assert EdgeBoardCosts.suits(BOARD) > 2
    assert EdgeBoardCosts.suits(None) == EdgeBoardCosts.suits(BOARD.model_copy(update={"name": "another"})) == 0
