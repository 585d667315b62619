"""`tables`: measured times, and between them the calibrated formula times the interpolated rest."""

from __future__ import annotations

from dataclasses import replace

from blockwright.costs import CostModel, CostOptions, Time
from blockwright.costs.cost import Source
from blockwright.hardware.interpolation import Interpolator
from blockwright.hardware.operations import Operation
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Table
from blockwright.plugins import hookimpl
from blockwright_plugins.costs.roofline import timed


class TableCosts(CostModel):
    """A measured row as it is; within a table t = calibrated × exp(kriged log residual); beyond, a warning."""

    name = "tables"

    def __init__(self, hardware: HardwareProfile | str | None = None, options: CostOptions | None = None) -> None:
        super().__init__(hardware, options)
        self._interpolators: dict[int, Interpolator] = {}

    @classmethod
    def suits(cls, hardware: HardwareProfile | None) -> int:
        return 2 if hardware is not None and hardware.tables.all else 0

    def operation(self, operation: Operation) -> Time:
        assert self.hardware is not None
        table = self.hardware.table_of(operation)
        if table is None:
            return timed(operation, self.hardware.analytic_ms(operation), self.hardware)
        ms, source = self._from(table, operation)
        return replace(timed(operation, ms, self.hardware), source=source)

    def _from(self, table: Table, operation: Operation) -> tuple[float, Source]:
        assert self.hardware is not None
        if operation.sizes in table.measured:
            return table.measured[operation.sizes], "measured"
        beyond = table.beyond(operation.sizes)
        self.exceeded(operation, beyond)
        calibrated = self.hardware.analytic_ms(operation)
        factor = self._interpolator(table).factor(operation)
        return calibrated * factor, "analytic" if beyond else "interpolated"

    def _interpolator(self, table: Table) -> Interpolator:
        """Made once of each table, since it takes the logarithms of all rows."""
        assert self.hardware is not None
        if id(table) not in self._interpolators:
            self._interpolators[id(table)] = Interpolator(self.hardware, table)
        return self._interpolators[id(table)]


@hookimpl
def register_cost_models() -> list[type[CostModel]]:
    return [TableCosts]
