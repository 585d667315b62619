"""A narrowed child of the tiny parent, with packed text to learn from, ready for a training job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from blockwright.child.assembly import assemble
from blockwright.child.checkpoint import write_child
from blockwright.library import Library
from blockwright.models.stack import LayerStack
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.text.corpus import TOKENS
from blockwright.training.distillation import HELDBACK
from blockwright.training.job import TrainingJob
from blockwright.training.settings import TrainingSettings
from blockwright.variants import SubBlock, VariantSpec

MakeJob = Callable[..., TrainingJob]


def write_corpus(folder: Path, sequences: int = 64) -> Path:
    """Seeded tokens; every other sequence is one document, the others are three."""
    draw = np.random.default_rng(5)
    rows = np.zeros((sequences, 2, 32), dtype=np.uint32)
    rows[:, 0] = draw.integers(0, 64, (sequences, 32))
    rows[1::2, 1] = np.repeat([0, 1, 2], [7, 1, 24])
    folder.mkdir()
    np.save(folder / TOKENS, rows)
    return folder


@pytest.fixture(scope="session")
def narrowed(parent: Parent, library: Library, plugins: Plugins) -> LayerStack:
    """One FFN narrowed, one attention linear, the last layer skipped whole."""
    assignment = {
        SubBlock(0, "ffn"): VariantSpec("ffn", "narrow", (("width", 12),)),
        SubBlock(1, "attention"): VariantSpec("attention", "linear"),
        SubBlock(2, "attention"): VariantSpec("attention", "skip"),
        SubBlock(2, "ffn"): VariantSpec("ffn", "skip"),
    }
    return assemble(parent, library, assignment, plugins.variants)


@pytest.fixture(scope="session")
def folders(
    parent: Parent, narrowed: LayerStack, tmp_path_factory: pytest.TempPathFactory, tokens: dict[str, torch.Tensor]
) -> dict[str, Path]:
    """Of the parent, the child, the corpus and the held-back tokens."""
    place = tmp_path_factory.mktemp("distillation")
    write_child(place / "child", narrowed, parent)
    save_file({HELDBACK: tokens["heldback"]}, place / "heldback.safetensors")
    return {
        "parent": parent.directory,
        "child": place / "child",
        "corpus": write_corpus(place / "corpus"),
        "heldback": place / "heldback.safetensors",
    }


@pytest.fixture(scope="session")
def make_job(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> MakeJob:
    """A job of eight short steps in a folder of its own, with these settings changed."""

    def make(**changed: object) -> TrainingJob:
        settings = {"batch_size": 8, "learning_rate": 3e-3, "evaluate_every": 4, "checkpoint_every": 2, **changed}
        directory = tmp_path_factory.mktemp("job")
        return TrainingJob(**folders, directory=directory, seed=0, settings=TrainingSettings.model_validate(settings))

    return make
