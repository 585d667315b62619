"""Engines that serve children, timed where they run: the contract, and the values that it speaks in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from blockwright.costs.scenario import Scenario
from blockwright.errors import UserError
from blockwright.precision import ACTIVATIONS, Precision


@dataclass(frozen=True)
class EngineSettings:
    """What a person chooses: the folder in which engines are, threads, and the precision of the weights.

    A precision of None is the one that the engine is mostly used with.
    """

    folder: Path | None = None
    threads: int = 1
    precision: Precision | None = None


@dataclass(frozen=True)
class Load:
    """One prompt of `prefill` tokens; then, upon it, `decode` steps of one token for each of `batch` sequences."""

    prefill: int = 512
    decode: int = 64
    batches: tuple[int, ...] = (1, 8)

    def scenario(self, batch: int, weights: Precision) -> Scenario:
        """The same as cost models have it."""
        return Scenario(
            batch=batch,
            input_tokens=self.prefill,
            output_tokens=self.decode,
            weights=weights,
            kv=ACTIVATIONS[weights],
        )

    @property
    def positions(self) -> int:
        """Of the longest sequence."""
        return self.prefill + self.decode + 1


@dataclass(frozen=True)
class Pace:
    """Milliseconds: of the prompt, and of one decoding step of all sequences, by batch."""

    prefill_ms: float
    decode_ms: Mapping[int, float]


class Engine(ABC):
    """One serving engine as it is installed here; made with what the person chose."""

    name: ClassVar[str]
    exporter: ClassVar[str | None] = None
    """Whose folder it reads; None for the child's own."""
    precisions: ClassVar[Mapping[Precision, Sequence[str]]]
    """Those that it runs, the usual one first, each with the exporter's options for it (`precision=f16`)."""
    at_once: ClassVar[int] = 4
    """How many models it may hold open to time them in turn."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        """UserError for a precision that it does not run."""
        self.settings = settings or EngineSettings()
        chosen = self.settings.precision
        if chosen is not None and chosen not in self.precisions:
            raise UserError(f"--precision: {self.name} is timed in {', '.join(self.precisions)}, not in {chosen}")

    @property
    def precision(self) -> Precision:
        """Of the weights that it is timed with."""
        usual: Precision = next(iter(self.precisions))
        return self.settings.precision or usual

    @property
    def device(self) -> str:
        """Whose memory its models take: `cpu` or `cuda`."""
        return "cpu"

    @abstractmethod
    def version(self) -> str:
        """Its name and version, as it is installed; UserError where it is not, with what to type."""

    @abstractmethod
    def open(self, model: Path, load: Load) -> AbstractContextManager[Callable[[], Pace]]:
        """A model, warmed up, and what runs the load once and tells how long that took.

        `model` is a folder that `exporter` has written. UserError where the engine does not run it.
        """
