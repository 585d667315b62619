"""What every engine must do. A rule takes an engine; one that is not installed here says so by a UserError."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from blockwright.contracts.holding import must
from blockwright.contracts.small_world import scratch, written_child
from blockwright.engines import Engine, Load
from blockwright.precision import Precision

LOAD = Load(prefill=8, decode=3, batches=(1, 2))


def engine_runs_some_precision(engine: Engine) -> None:
    """Those that it names are precisions, and its own is one of them."""
    unknown = set(engine.precisions) - set(get_args(Precision))
    must(bool(engine.precisions) and not unknown, engine.name, f"names precisions that are none: {sorted(unknown)}")
    must(engine.precision in engine.precisions, engine.name, f"runs {engine.precision}, which it does not name")


def engine_tells_its_version(engine: Engine) -> None:
    """In one line."""
    told = engine.version()
    must(bool(told.strip()) and "\n" not in told, engine.name, f"told {told!r} as its version")


def engine_times_a_child(engine: Engine) -> None:
    """A prompt, and a step at each batch that was asked for, in milliseconds above 0; twice in a row."""
    with engine.open(_model_for(engine), LOAD) as run:
        for pace in (run(), run()):
            must(set(pace.decode_ms) == set(LOAD.batches), engine.name, f"timed batches {sorted(pace.decode_ms)}")
            times = [pace.prefill_ms, *pace.decode_ms.values()]
            must(all(math.isfinite(ms) and ms > 0 for ms in times), engine.name, f"told times that are none: {times}")


def _model_for(engine: Engine) -> Path:
    """A tiny child as the engine's exporter writes it."""
    from blockwright.exporting.exporting import export_child
    from blockwright.exporting.origin import Origin
    from blockwright.exporting.requests import make_exporter

    engine.version()  # refuses where the engine is not installed, before anything is written
    child = written_child("narrower")
    if engine.exporter is None:
        return child
    exporter, model = make_exporter(engine.exporter, engine.precisions[engine.precision]), scratch("engine") / "model"
    export_child(exporter, child, model, Origin("tiny"))
    return model


ENGINE_CONTRACT: tuple[Callable[[Engine], None], ...] = (
    engine_runs_some_precision,
    engine_tells_its_version,
    engine_times_a_child,
)
"""All rules, to parametrize over."""
