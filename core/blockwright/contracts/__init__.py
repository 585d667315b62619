"""What every plugin of a kind must do, as plain functions, one rule each; a broken rule is an AssertionError.

from blockwright.contracts.solvers import SOLVER_CONTRACT

@pytest.mark.parametrize("rule", SOLVER_CONTRACT, ids=lambda rule: rule.__name__)
def test_my_solver_keeps_the_contract(rule):
    rule(MySolver(MySolver.Options()))
"""
