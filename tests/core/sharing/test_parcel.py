"""A library that goes elsewhere and is searched there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import blockwright
from blockwright.cli import app
from blockwright.errors import UserError
from blockwright.sharing.parcel import parent_digest


@pytest.fixture(scope="module")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> blockwright.Run:
    return blockwright.run(make_recipe(tmp_path_factory.mktemp("here")))


@pytest.fixture(scope="module")
def shared(finished: blockwright.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "library"
    result = CliRunner().invoke(app, ["share", str(finished.directory), str(folder)])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def elsewhere(make_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    return make_recipe(tmp_path)


def using(shared: Path) -> tuple[str, ...]:
    return f"library.shared={shared}", "scorer.name=stored", f"scorer.folder={shared}"


def test_a_shared_library_gives_the_same_child_and_is_not_built_again(
    finished: blockwright.Run, shared: Path, elsewhere: Path
) -> None:
    there = blockwright.run(elsewhere, *using(shared))
    assert there.solution.variants == finished.solution.variants
    weights = [run.directory / "05-build" / "child" / "model.safetensors" for run in (finished, there)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert not (there.directory / "01-library" / "gradients").exists()


def test_a_smaller_space_can_be_searched_in_it(shared: Path, elsewhere: Path) -> None:
    small = "space={attention: [keep], ffn: [keep, skip]}"
    run = blockwright.run(elsewhere, *using(shared), small, "budget.params=95%")
    assert {label for name, label in run.solution.variants.items() if name.startswith("attention")} == {"keep"}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "ffn.1.safetensors").unlink(), r"ffn\.1\.safetensors: is missing"),
        (lambda folder: (folder / "ffn.1.safetensors").write_bytes(b"x"), "is not what library.json says"),
        (lambda folder: (folder / "library.json").unlink(), r"holds no library\.json; `blockwright share"),
        (lambda folder: (folder / "library.json").write_text("{}"), "is no list of a library"),
    ],
)
def test_what_is_damaged_on_the_way_is_told(
    shared: Path, elsewhere: Path, tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shared, copy)
    spoil(copy)
    with pytest.raises(UserError, match=told):
        blockwright.run(elsewhere, *using(copy))


def test_another_parent_is_refused(shared: Path, elsewhere: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shared, copy)
    manifest = json.loads((copy / "library.json").read_text())
    (copy / "library.json").write_text(json.dumps({**manifest, "parent": "0" * 64}))
    with pytest.raises(UserError, match="was built from another parent"):
        blockwright.run(elsewhere, *using(copy))


def test_variants_that_it_does_not_have_are_named(shared: Path, elsewhere: Path) -> None:
    space = "space={attention: [keep], ffn: [keep, {narrow: 25%}]}"
    with pytest.raises(UserError, match=r"has no ffn\.0: narrow=12"):
        blockwright.run(elsewhere, *using(shared), space)


def test_an_export_overwrites_nothing(finished: blockwright.Run, shared: Path) -> None:
    with pytest.raises(UserError, match="is there already; name a folder that is not"):
        finished.share(shared)


def test_the_digest_is_of_the_weights_and_not_of_their_files(finished: blockwright.Run, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    parent = finished.files.parent
    copy = tmp_path / "parent"
    shutil.copytree(parent.directory, copy)
    weights = {name: tensor.clone() for name, tensor in load_file(copy / "model.safetensors").items()}
    save_file(dict(reversed(weights.items())), copy / "model.safetensors", metadata={"format": "pt"})
    moved = type(parent)(copy, parent.config, parent.family)
    assert parent_digest(moved) == parent_digest(parent)
    first = next(iter(weights))
    save_file({**weights, first: weights[first] + torch.ones_like(weights[first])}, copy / "model.safetensors")
    assert parent_digest(type(parent)(copy, parent.config, parent.family)) != parent_digest(parent)
