"""What a training came to, in the file that is written last."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from blockwright.files import write_json

OUTCOME = "outcome.json"


class Outcome(BaseModel):
    """`child` is the folder of the best child, None where none was better than the given one.

    KL (nats per token) and top-1 agreement are of held-back tokens: of the given child and of the one to go on with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    child: Path | None
    steps: int
    best_step: int
    tokens: int
    kl_before: float
    kl_after: float
    top1_before: float
    top1_after: float
    stopped: str | None = None

    def write(self, folder: Path) -> None:
        write_json(folder / OUTCOME, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path) -> Outcome | None:
        """None while the training is not finished."""
        path = folder / OUTCOME
        return cls.model_validate(json.loads(path.read_text())) if path.exists() else None
