"""Models timed in turn, A B A B, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from blockwright.engines import Engine, Load, Pace
from blockwright.events import emit


@dataclass(frozen=True)
class Workbench:
    """An engine, a folder for the models that are written for it, and how often each is timed."""

    engine: Engine
    folder: Path
    rounds: int = 5

    def timed(self, models: Mapping[str, Path], load: Load) -> Mapping[str, tuple[Pace, ...]]:
        """The paces of each model, one a round; as many in turn as the engine may hold open."""
        names, paces = list(models), {name: list[Pace]() for name in models}
        for start in range(0, len(names), self.engine.at_once):
            with ExitStack() as opened:
                group = names[start : start + self.engine.at_once]
                runs = {name: opened.enter_context(self.engine.open(models[name], load)) for name in group}
                for _ in range(self.rounds):
                    for name, run in runs.items():
                        paces[name].append(run())
                        done = sum(map(len, paces.values()))
                        emit("model_timed", done=done, total=self.rounds * len(names), model=name)
        return {name: tuple(found) for name, found in paces.items()}


def median_pace(paces: Sequence[Pace]) -> Pace:
    """Number by number."""
    return Pace(
        statistics.median(pace.prefill_ms for pace in paces),
        {batch: statistics.median(pace.decode_ms[batch] for pace in paces) for batch in paces[0].decode_ms},
    )
