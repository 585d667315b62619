"""What all steps have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from blockwright.running.files import RunFiles


@dataclass(frozen=True)
class Step(ABC):
    """One step of a run; `key` changes with everything that its result depends on."""

    name: str
    key: str

    @abstractmethod
    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes the step's files into `folder`; called again after a kill, with what the killed run left there."""
