"""`hub:DATASET`: a dataset's training split through the package datasets, streamed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from blockwright.errors import UserError
from blockwright.text.sources.reading import Reading


def read(argument: str, reading: Reading) -> Iterator[str]:
    """One document a record; also reads a folder that the datasets package understands."""
    try:
        datasets = importlib.import_module("datasets")
    except ModuleNotFoundError:
        raise UserError("text: the source hub needs a package; type `pip install datasets`") from None
    return _records(datasets, argument, reading)


def _records(datasets: object, name: str, reading: Reading) -> Iterator[str]:
    load = datasets.load_dataset  # type: ignore[attr-defined]
    try:
        stream = load(name, split="train", streaming=True).shuffle(
            seed=reading.random.randrange(2**31), buffer_size=1000
        )
    except (OSError, ValueError, RuntimeError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"text: the dataset '{name}' cannot be opened: {first_line}") from error
    for number, record in enumerate(stream, 1):
        yield reading.text_of(record, f"hub:{name}: record {number}")
