"""Children measured by workers: the parent is run once here, and lies in a file while children are compared to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockwright.child.assembly import assemble
from blockwright.executors import done_by
from blockwright.library import Library
from blockwright.models.divergence import Reference
from blockwright.models.tensor_files import read_tensors, write_tensors
from blockwright.parent import open_parent
from blockwright.plugins import installed_plugins
from blockwright.problem import Joined, Solution
from blockwright.searching.children import SearchContext, realised

JUDGE = ".judge.part"  # which a run clears away like all that was half written


@dataclass(frozen=True)
class RealiseTask:
    """One child, as a solution's labels and joins, to be measured on about so many tokens of the judge's file."""

    number: int
    teacher: Path
    parent: Path
    library: Path
    judge: Path
    variants: Mapping[str, str]
    joined: Joined
    tokens: int | None


def realise_apart(
    context: SearchContext, judge: Reference, solutions: Sequence[Solution], tokens: int | None
) -> list[float]:
    """KL(parent‖child) in nats per token of each, in their order."""
    file = context.folder.resolve() / JUDGE
    write_tensors(file, {"tokens": judge.tokens, "stream": judge.stream})
    teacher = context.measure.directory.resolve()
    parent, library = context.parent.directory.resolve(), context.library.directory.resolve()
    tasks = (
        RealiseTask(number, teacher, parent, library, file, dict(one.variants), one.joined, tokens)
        for number, one in enumerate(solutions)
    )
    try:
        found = {task.number: loss for task, loss in done_by(context.executor, realise, tasks)}
    finally:
        file.unlink(missing_ok=True)
    return [found[number] for number in range(len(solutions))]


def realise(task: RealiseTask) -> float:
    """What a worker does."""
    plugins, judge = installed_plugins(), read_tensors(task.judge)
    parent = open_parent(task.parent, plugins.families)
    library = Library(task.library, parent.source())
    child = assemble(parent, library, library.assignment(task.variants), plugins.variants)
    teacher = open_parent(task.teacher, plugins.families)
    reference = Reference.of(teacher.stack().head(), judge["stream"], judge["tokens"])
    return realised(child, reference, task.tokens, task.joined)
