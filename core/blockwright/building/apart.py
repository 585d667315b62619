"""The library built by workers: one process walks along the parent, others build what it has passed.

Each sub-block's streams and moments go into files in `.passed.part`, a few at a time, which are removed once its
variants are built. The order in which sub-blocks are finished changes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blockwright.building.closed_form import build_in_closed_form
from blockwright.building.distilling import Distilling
from blockwright.building.gradients import read_gradient_moment
from blockwright.child.assembly import Variants
from blockwright.construction import LibrarySettings, Statistics, Streams, SubBlockContext
from blockwright.events import emit
from blockwright.executors import Executor, done_by
from blockwright.library import sub_block_path, write_sub_block
from blockwright.models.tensor_files import read_tensors, write_tensors
from blockwright.parent import Parent, open_parent
from blockwright.plugins import installed_plugins
from blockwright.searching.pricing import Space
from blockwright.variants import SubBlock, VariantSpec

PASSED = ".passed.part"  # which a run clears away like all that was half written
TEXTS = ("calibration", "heldback")


@dataclass(frozen=True)
class BuildTask:
    """The variants of one sub-block, to be built from what the walk has left in the library's folder."""

    parent: Path
    library: Path
    sub_block: SubBlock
    specs: tuple[VariantSpec, ...]
    settings: LibrarySettings
    seed: int

    @property
    def streams(self) -> Path:
        return self.library / PASSED / f"{self.sub_block}.streams.safetensors"

    @property
    def moments(self) -> Path:
        return self.library / PASSED / f"{self.sub_block}.moments.safetensors"


def build_apart(
    contexts: Iterable[SubBlockContext], parent: Parent, space: Space, variants: Variants, by: tuple[Executor, Path]
) -> None:
    """Builds what is not there yet; `by` is who builds it, and the library's folder."""
    executor, directory = by
    total = len(parent.sub_blocks())
    built = sum(sub_block_path(directory, sub_block).exists() for sub_block in parent.sub_blocks())
    for task, _ in done_by(executor, build, _tasks(contexts, parent, space, variants, directory)):
        for file in (task.streams, task.moments):
            file.unlink(missing_ok=True)
        built += 1
        emit("sub_block_built", done=built, total=total, sub_block=str(task.sub_block))
    shutil.rmtree(directory / PASSED, ignore_errors=True)


def _tasks(
    contexts: Iterable[SubBlockContext], parent: Parent, space: Space, variants: Variants, directory: Path
) -> Iterator[BuildTask]:
    """Moves the streams along; each sub-block that is not built yet is a task, with its files."""
    for context in contexts:
        specs = tuple(space[context.sub_block])
        task = BuildTask(
            parent.directory.resolve(), directory.resolve(), context.sub_block, specs, context.settings, context.seed
        )
        if sub_block_path(directory, context.sub_block).exists():
            context.advance()
            continue
        _pass(context, task, _reads_streams(task, variants))
        yield task


def _reads_streams(task: BuildTask, variants: Variants) -> bool:
    kinds = {(spec.slot, spec.kind) for spec in task.specs}
    return task.settings.distill is not None or any(variants[kind].reads_inputs for kind in kinds)


def _pass(context: SubBlockContext, task: BuildTask, with_streams: bool) -> None:
    """Writes the streams as they are before the sub-block, moves them on, and writes the moments of the same pass."""
    if task.settings.distill is not None:
        context.keep_outputs()
    streams = {name: getattr(context.streams, name) for name in TEXTS}
    streams = streams if with_streams else {name: stream[:0] for name, stream in streams.items()}
    write_tensors(task.streams, streams | {f"{name} outputs": output for name, output in context.outputs.items()})
    context.advance()
    moments = {f"{name} {what}": sums for name in TEXTS for what, sums in context.measured[name].tensors.items()}
    write_tensors(task.moments, moments)


def build(task: BuildTask) -> None:
    """What a worker does: reads what the walk left, and writes the sub-block's file of the library."""
    if sub_block_path(task.library, task.sub_block).exists():
        return
    plugins = installed_plugins()
    parent, variants = open_parent(task.parent, plugins.families), plugins.variants
    context = _context(task, parent)
    built = build_in_closed_form(context, task.specs, variants, lambda: None)
    distilling = Distilling(parent, variants, task.library)
    if task.settings.distill is not None:
        built = distilling.trained(context, built)
    write_sub_block(task.library, task.sub_block, built, context.decisions)
    distilling.forget(task.sub_block)


def _context(task: BuildTask, parent: Parent) -> SubBlockContext:
    streams, moments, stack = read_tensors(task.streams), read_tensors(task.moments), parent.stack()
    shape = parent.shape_of(task.sub_block)
    assert shape is not None, "the walk passes by what nothing can be made from"
    of = {name: {what: moments[f"{name} {what}"] for what in ("inputs", "cross", "features")} for name in TEXTS}
    return SubBlockContext(
        task.sub_block,
        shape,
        stack,
        stack.layer(task.sub_block.layer),
        Streams(streams["calibration"], streams["heldback"]),
        read_gradient_moment(task.library, task.sub_block),
        task.settings,
        task.seed,
        parent.present(task.sub_block),
        measured={name: Statistics.of(sums) for name, sums in of.items()},
        outputs={name: streams[f"{name} outputs"] for name in TEXTS if f"{name} outputs" in streams},
    )
