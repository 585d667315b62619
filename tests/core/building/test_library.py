from pathlib import Path

import pytest
import torch

from blockwright.building import library as library_building
from blockwright.building.library import Space, build_library, read_gradient_moment
from blockwright.construction import LibrarySettings, Streams, SubBlockContext
from blockwright.library import Library, sub_block_path
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.variants import SubBlock


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


def test_every_variant_of_the_space_is_in_the_library(library: Library, space: Space) -> None:
    assert {sub_block: set(library.variants(sub_block)) for sub_block in library.sub_blocks()} == {
        sub_block: set(specs) for sub_block, specs in space.items()
    }


def test_a_build_that_was_cut_short_goes_on_to_equal_bytes(
    library: Library,
    parent: Parent,
    space: Space,
    plugins: Plugins,
    tokens: dict[str, torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = LibrarySettings(gradient_tokens=512, channels_at_once=4)
    real_write, written = library_building.write_sub_block, []

    def write_three_then_stop(*arguments: object) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(arguments[1])
        real_write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(library_building, "write_sub_block", write_three_then_stop)
    with pytest.raises(KeyboardInterrupt):
        build_library(parent, space, plugins.variants, tokens, settings, tmp_path, 0)
    monkeypatch.undo()
    before = sub_block_path(tmp_path, written[0]).stat().st_mtime_ns
    build_library(parent, space, plugins.variants, tokens, settings, tmp_path, 0)
    assert sub_block_path(tmp_path, written[0]).stat().st_mtime_ns == before
    assert _files(tmp_path) == _files(library.directory)


def test_gradient_moments_are_symmetric_and_not_negative(library: Library, parent: Parent) -> None:
    for sub_block in parent.sub_blocks():
        moment = read_gradient_moment(library.directory, sub_block)
        assert moment.shape == (48, 48)
        assert torch.allclose(moment, moment.T)
        assert float(torch.linalg.eigvalsh(moment).min()) > -1e-6 * float(moment.diagonal().max())


def test_moments_are_those_of_all_the_text_and_the_stream_moves_on(parent: Parent, calibration: torch.Tensor) -> None:
    stack = parent.stack()
    layer, stream = stack.layer(0), stack.embed(calibration)
    with torch.no_grad():
        features = layer.mlp.features(layer.post_attention_layernorm(stream)).flatten(0, 1)
        after = stream + layer.feed(stream)
    context = SubBlockContext(
        SubBlock(0, "ffn"), parent.shape("ffn"), stack, layer, Streams(stream, stream[:4].clone()), torch.eye(48),
        LibrarySettings(), 0,
    )  # fmt: skip
    context.advance()
    expected = features.double().T @ features.double()
    assert torch.allclose(context.statistics.features, expected, rtol=1e-4, atol=1e-3)
    assert torch.allclose(stream, after, atol=1e-5)
    first = features[: 4 * 32].double()
    assert torch.allclose(context.heldback_statistics.features, first.T @ first, rtol=1e-4, atol=1e-3)
    assert torch.allclose(context.streams.heldback, after[:4], atol=1e-5)


def test_held_back_text_decides_between_ways_of_choosing_channels(library: Library, space: Space) -> None:
    for sub_block, specs in space.items():
        decisions = library.decisions(sub_block)
        assert set(decisions) == {spec.label for spec in specs if spec.kind == "narrow"}
        assert all(losses.keys() == {"output", "magnitude"} for losses in decisions.values())
    every = [losses for sub_block in space for losses in library.decisions(sub_block).values()]
    assert sum(losses["output"] for losses in every) < sum(losses["magnitude"] for losses in every)
