"""Models that only speed is asked of: any config with random weights, in the layout that an engine reads."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.engines import Engine
from blockwright.exporting.exporting import export_child
from blockwright.exporting.origin import Origin
from blockwright.exporting.requests import make_exporter
from blockwright.precision import ACTIVATIONS, Precision

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.sharding import DType

DTYPES: dict[Precision, DType] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
SPREAD = 0.02


class RandomWeights:
    """The weights that a config asks for, each drawn from its own name; norms are ones."""

    def __init__(self, config: BlockwrightConfig) -> None:
        from blockwright.child.checkpoint import planned_tensors

        self._shapes = {tensor.name: tensor.shape for tensor in planned_tensors(config)}

    def names(self) -> Iterable[str]:
        return self._shapes.keys()

    def read(self, name: str) -> Tensor:
        import torch

        if "norm" in name:
            return torch.ones(self._shapes[name])
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        return SPREAD * torch.randn(self._shapes[name], generator=generator)


def write_random(folder: Path, config: BlockwrightConfig, precision: Precision) -> Path:
    """A checkpoint of random weights, stored as an engine computes; how fast it runs does not depend on them."""
    from blockwright.child.checkpoint import CheckpointSettings, write_checkpoint
    from blockwright.models.stack import LayerStack

    folder.mkdir(parents=True)
    stored = CheckpointSettings(dtype=DTYPES[ACTIVATIONS[precision]])
    write_checkpoint(folder, LayerStack(config, RandomWeights(config)), folder, stored)
    return folder


def served(engine: Engine, checkpoint: Path, folder: Path) -> Path:
    """The checkpoint as the engine reads it, written into `folder` where that is another layout.

    UserError with every reason where the engine cannot take it.
    """
    if engine.exporter is None:
        return checkpoint
    exporter = make_exporter(engine.exporter, engine.precisions[engine.precision])
    export_child(exporter, checkpoint, folder, Origin(checkpoint.name))
    return folder


def random_model(engine: Engine, config: BlockwrightConfig, folder: Path) -> Path:
    """Of random weights, in the engine's layout; only that is left in `folder`."""
    import shutil

    checkpoint = write_random(folder / "checkpoint", config, engine.precision)
    model = served(engine, checkpoint, folder / "served")
    if model != checkpoint:
        shutil.rmtree(checkpoint)
    return model
