"""What every plugin of a kind must do, as plain functions, one rule each; a broken rule is an AssertionError.

from blockwright.contracts.solvers import SOLVER_CONTRACT

@pytest.mark.parametrize("rule", SOLVER_CONTRACT, ids=lambda rule: rule.__name__)
def test_my_solver_keeps_the_contract(rule):
    rule(MySolver(MySolver.Options()))

A rule takes what the engine would have: an instance of the plugin's class, or the value that its hook returns. Rules
try a plugin on tiny seeded models and write into temporary folders. A UserError of the plugin breaks no rule where the
contract lets it refuse; `blockwright plugins check` shows such a rule as not tried. `blockwright.contracts.checking`
has all contracts by kind.
"""
