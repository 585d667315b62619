"""A checkpoint's `config.json`, whose sizes are looked at before any class is made of it, or any list as long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from blockwright.errors import UserError, first_line
from blockwright.foreign_files import read_json_object

CONFIG = "config.json"
MOST: Mapping[str, int] = {  # several times beyond the largest published models
    "num_hidden_layers": 2048,
    "hidden_size": 2**18,
    "intermediate_size": 2**21,
    "num_attention_heads": 2**12,
    "num_key_value_heads": 2**12,
    "head_dim": 2**12,
    "vocab_size": 2**23,
    "max_position_embeddings": 2**28,
}


def read_config_json(folder: Path) -> Mapping[str, object]:
    """The JSON of a checkpoint's config; UserError with a line for each size that no model has."""
    file = folder / CONFIG
    config = read_json_object(file)
    lines = [*_wrong_sizes(config), *_wrong_numbers(config)]
    if lines:
        raise UserError(*(f"{file}: {line}" for line in lines))
    return config


def model_type_of(folder: Path) -> str:
    """Empty where the config names none."""
    return str(read_config_json(folder).get("model_type") or "")


@contextmanager
def understood(file: Path) -> Iterator[None]:
    """UserError for whatever making objects of a stranger's file raises, as the libraries below word it."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror or first_line(error)})") from error
    except Exception as error:  # the file is at fault: what it is read with has been tested on good ones
        raise UserError(f"{file}: cannot be understood ({type(error).__name__}: {first_line(error)})") from error


def _wrong_sizes(config: Mapping[str, object]) -> Iterator[str]:
    for name, most in MOST.items():
        size = config.get(name)
        if size is None:
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= most:
            yield f"{name}: expected a whole number from 1 to {most:,}, got {str(size)[:40]}"


def _wrong_numbers(config: Mapping[str, object]) -> Iterator[str]:
    rope = config.get("rope_parameters")
    places = {"rms_norm_eps": config, "rope_theta": config, "rope_parameters.rope_theta": rope}
    for name, place in places.items():
        number = place.get(name.rpartition(".")[2]) if isinstance(place, Mapping) else None
        if number is not None and not (isinstance(number, int | float) and 0 < number < math.inf):
            yield f"{name}: expected a number above 0, got {str(number)[:40]}"
