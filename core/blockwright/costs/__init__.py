"""What a sub-block or a whole model costs in a scenario: values, and the contract for cost models.

hardware = HardwareProfile.load("h100-sxm")
CostModel(hardware).block(parent.variant("ffn", {"narrow": "50%"}), Scenario(batch=32)).decode_ms
CostModel(hardware).model(graph, Scenario(batch=32)).tokens_per_s
"""

from blockwright.costs.cost import BlockCost as BlockCost
from blockwright.costs.cost import ModelCost as ModelCost
from blockwright.costs.cost import Source as Source
from blockwright.costs.cost_model import CostModel as CostModel
from blockwright.costs.cost_model import CostOptions as CostOptions
from blockwright.costs.cost_model import TableExceeded as TableExceeded
from blockwright.costs.cost_model import Time as Time
from blockwright.costs.scenario import Scenario as Scenario
from blockwright.costs.scenario import Work as Work
