"""`hub:DATASET?config=…&split=…&field=…`: a dataset by its name or from disk, through the package datasets."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blockwright.errors import UserError, did_you_mean
from blockwright.text.sources.options import refuse_unknown, split_options
from blockwright.text.sources.reading import Reading

OPTIONS = ("config", "split", "field")
SAVED = ("state.json", "dataset_dict.json")  # what `save_to_disk` leaves in a folder


def read(argument: str, reading: Reading) -> Iterator[str]:
    """One document a record. A name on the hub is streamed; a folder is one that `datasets` wrote or understands.

    The split is `train`, and the text is in `text` or `messages`, unless the options say otherwise.
    """
    name, options = split_options(argument)
    refuse_unknown(options, OPTIONS, f"the source hub:{name}")
    try:
        datasets = importlib.import_module("datasets")
    except ModuleNotFoundError:
        raise UserError("text: the source hub needs a package; type `pip install datasets`") from None
    return _Dataset(datasets, name, options).documents(reading)


@dataclass(frozen=True)
class _Dataset:
    datasets: object
    name: str
    options: Mapping[str, str]

    def documents(self, reading: Reading) -> Iterator[str]:
        saved = any((Path(self.name) / file).is_file() for file in SAVED)
        try:
            records = self._saved(reading) if saved else self._streamed(reading)
        except (OSError, ValueError, RuntimeError) as error:
            words = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"text: the dataset '{self.name}' cannot be opened: {words[:300]}") from error
        for number, record in enumerate(records, 1):
            yield reading.text_of(record, f"hub:{self.name}: record {number}", self.options.get("field"))

    @property
    def _split(self) -> str:
        return self.options.get("split", "train")

    def _streamed(self, reading: Reading) -> Iterable[object]:
        stream = self.datasets.load_dataset(  # type: ignore[attr-defined]
            self.name, self.options.get("config"), split=self._split, streaming=True
        )
        shuffled: Iterable[object] = stream.shuffle(seed=reading.random.randrange(2**31), buffer_size=1000)
        return shuffled

    def _saved(self, reading: Reading) -> Iterator[object]:
        """The records are mapped, and read one at a time."""
        found = self.datasets.load_from_disk(self.name)  # type: ignore[attr-defined]
        if isinstance(found, dict) and self._split not in found:
            raise UserError(f"text: hub:{self.name} has no split '{self._split}'{did_you_mean(self._split, found)}")
        table = found[self._split] if isinstance(found, dict) else found
        return (table[index] for index in reading.shuffled(list(range(len(table)))))
