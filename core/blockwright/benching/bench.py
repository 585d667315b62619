"""`blockwright bench`: a child and its parent in one engine, in turn, beside what cost models say of them."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from blockwright.benching.models import random_model, served
from blockwright.benching.parts import ms_in, works_of
from blockwright.benching.rounds import Workbench, median_pace
from blockwright.child.config_reading import child_config_of
from blockwright.costs import CostModel, TableExceeded
from blockwright.costs.scenario import Phase
from blockwright.engines import Engine, Load, Pace
from blockwright.errors import UserError
from blockwright.importing.importing import graph_of_config

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.graph.block_graph import BlockGraph

PARENT, CHILD = "parent", "child"
PARAMETERS = "parameters"  # what their count alone would predict


@dataclass(frozen=True)
class Compared:
    """One phase: tokens per second at the median, and how many times faster the child is.

    `ratio` is the median of the rounds' own `ratios`; `predicted` has those of cost models, by what they priced with.
    """

    phase: Phase
    batch: int
    parent_tokens_per_s: float
    child_tokens_per_s: float
    ratio: float
    ratios: tuple[float, ...]
    predicted: Mapping[str, float]

    def error(self, name: str) -> float:
        """Signed, of a predicted ratio, as a share of the measured one."""
        return self.predicted[name] / self.ratio - 1


@dataclass(frozen=True)
class Benched:
    """A child against its parent in one engine; `notes` say what could not be predicted."""

    engine: str
    version: str
    precision: str
    load: Load
    rows: tuple[Compared, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Speeds:
    """The paces of both, a round each in the same place."""

    parent: Sequence[Pace]
    child: Sequence[Pace]

    def compared(self, load: Load, engine: Engine, predicted: Mapping[str, Predicted]) -> tuple[Compared, ...]:
        """Prefill first, then decoding by batch."""
        rows = []
        for work, batch in works_of(load, engine).items():
            parent, child = (ms_in(median_pace(paces), batch) for paces in (self.parent, self.child))
            pairs = zip(self.parent, self.child, strict=True)
            ratios = tuple(ms_in(slow, batch) / ms_in(fast, batch) for slow, fast in pairs)
            speeds = (1e3 * work.rows / parent, 1e3 * work.rows / child)
            told = {name: ratio for name, ratios_of in predicted.items() for ratio in [ratios_of[batch]]}
            rows.append(Compared(work.phase, work.sequences, *speeds, statistics.median(ratios), ratios, told))
        return tuple(rows)


Predicted = Mapping[int | None, float]  # ratios by batch, None for the prompt


def bench_child(bench: Workbench, child: Path, load: Load, costs: Mapping[str, CostModel]) -> Benched:
    """Times the child in a folder and its parent, whose weights are drawn at random: speed does not depend on them.

    UserError where the engine is not there or cannot take the child.
    """
    config, version = child_config_of(child), bench.engine.version()
    _check_positions(config, load)
    with TemporaryDirectory(dir=bench.folder, prefix="bench-") as folder:
        models = {
            PARENT: random_model(bench.engine, _parent(config), Path(folder) / PARENT),
            CHILD: served(bench.engine, child, Path(folder) / CHILD),
        }
        paces = bench.timed(models, load)
    graphs = {PARENT: graph_of_config(_parent(config)), CHILD: graph_of_config(config)}
    predicted, notes = predictions(graphs, load, bench.engine, costs)
    rows = Speeds(paces[PARENT], paces[CHILD]).compared(load, bench.engine, predicted)
    return Benched(bench.engine.name, version, bench.engine.precision, load, rows, notes)


def predictions(
    graphs: Mapping[str, BlockGraph], load: Load, engine: Engine, costs: Mapping[str, CostModel]
) -> tuple[dict[str, Predicted], tuple[str, ...]]:
    """How many times faster each cost model takes the child to be; notes for those that know no price."""
    batches: tuple[int | None, ...] = (None, *load.batches)
    by_count = graphs[PARENT].params / graphs[CHILD].params
    found: dict[str, Predicted] = {PARAMETERS: dict.fromkeys(batches, by_count)}
    notes = []
    for name, model in costs.items():
        try:
            found[name] = predicted_ratios(graphs, load, engine, model)
        except UserError as error:
            notes.append(f"{name}: {error.lines[0]}")
    return found, tuple(notes)


def predicted_ratios(graphs: Mapping[str, BlockGraph], load: Load, engine: Engine, model: CostModel) -> Predicted:
    """Of one cost model; UserError for what it has no price of."""
    found: dict[int | None, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableExceeded)  # a guess is a prediction too
        for batch in load.batches:
            scenario = load.scenario(batch, engine.precision)
            parent, child = (model.model(graphs[name], scenario) for name in (PARENT, CHILD))
            found.setdefault(None, parent.prefill_ms / child.prefill_ms)
            found[batch] = parent.decode_ms / child.decode_ms
    return found


def _parent(config: BlockwrightConfig) -> BlockwrightConfig:
    from blockwright.exporting.architecture import parent_of

    return parent_of(config)


def _check_positions(config: BlockwrightConfig, load: Load) -> None:
    if load.positions > config.max_position_embeddings:
        raise UserError(
            f"--prefill {load.prefill} --decode {load.decode}: the child's context is {config.max_position_embeddings} "
            "tokens; ask for fewer"
        )
