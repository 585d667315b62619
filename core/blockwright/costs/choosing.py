"""Which installed cost model suits a machine best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockwright.errors import UserError

if TYPE_CHECKING:
    from blockwright.costs.cost_model import CostModel
    from blockwright.hardware.profile import HardwareProfile


def best_cost_model(hardware: HardwareProfile | None) -> type[CostModel]:
    """Of the installed ones that suit the machine, the one that says so most; UserError where none does."""
    from blockwright.plugins import installed_plugins

    suited = {model.suits(hardware): model for model in reversed(list(installed_plugins().cost_models.values()))}
    if max(suited, default=0) <= 0:
        what = f"the hardware '{hardware.name}'" if hardware else "a recipe without hardware"
        raise UserError(f"no installed cost model suits {what}; name one in cost_model")
    return suited[max(suited)]
