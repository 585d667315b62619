"""The JSON lines that are written: whole batches, so that a killed command goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blockwright.errors import UserError

ORIGIN = "generated"
STARTS = (b'{"text": ', b'{"messages": ')  # of all lines that are written here


@dataclass(frozen=True)
class Progress:
    """How far a file has come: the batch to write next, and how many documents and tokens stand before it."""

    batch: int = 0
    documents: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Output:
    """`origin` stands in every line, beside its batch and tokens, and must be that of the lines already there."""

    path: Path
    origin: Mapping[str, object]

    def resume(self, wanted: int) -> Progress:
        """Cuts off what a kill may have left unfinished: a broken line, and the last batch if tokens are missing."""
        if not self.path.exists():
            return Progress()
        place, kept, batch_place, before_batch = 0, Progress(-1), 0, Progress()
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    self._refuse_strangers(line, number)
                    break
                batch, tokens = self._read(line, number)
                if batch != kept.batch:
                    batch_place, before_batch = place, Progress(batch, kept.documents, kept.tokens)
                place, kept = place + len(line), Progress(batch, kept.documents + 1, kept.tokens + tokens)
        finished = kept.tokens >= wanted
        os.truncate(self.path, place if finished else batch_place)
        return kept if finished else before_batch

    def _refuse_strangers(self, line: bytes, number: int) -> None:
        """A first line without its end is cut off only where a kill can have left it: begun as ours, and broken."""
        if number == 1 and (_is_json(line) or not any(start.startswith(line[: len(start)]) for start in STARTS)):
            self._read(line, number)

    def append(self, batch: int, records: Iterable[tuple[Mapping[str, object], int]]) -> None:
        """Records with their tokens, all of a batch in one write."""
        lines = [
            json.dumps({**record, ORIGIN: {**self.origin, "batch": batch, "tokens": tokens}}, ensure_ascii=False)
            for record, tokens in records
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())

    def _read(self, line: bytes, number: int) -> tuple[int, int]:
        try:
            found = dict(json.loads(line)[ORIGIN])
            batch, tokens = int(found.pop("batch")), int(found.pop("tokens"))
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{self.path}:{number}: was not written by this command; name another --out") from None
        other = [f"{name} {found.get(name)}" for name, value in self.origin.items() if found.get(name) != value]
        if other:
            raise UserError(f"{self.path}:{number}: was made with {', '.join(other)}; name another --out")
        return batch, tokens


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
