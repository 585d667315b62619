"""Block distillation of SmolLM2's `puzzle` variants: how many a CPU minute trains, and what it takes off the refit.

Passes of the parent are measured once and counted as often as a way of working needs them; all training is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from common import print_table
from smollm2 import FOLDER, open_smollm2, space_of

from blockwright.building.closed_form import build_in_closed_form
from blockwright.building.distilling import Distilling
from blockwright.building.gradients import measure_gradient_moments, read_gradient_moment
from blockwright.construction import LibrarySettings, Streams, SubBlockContext
from blockwright.healing.block_distillation.lessons import Student
from blockwright.healing.block_distillation.settings import DISTILLED, BlockDistillSettings
from blockwright.models.stack import SEQUENCES_AT_ONCE, LayerStack
from blockwright.parent import Parent
from blockwright.plugins import installed_plugins
from blockwright.text.sets import TextSettings, load_tokens
from blockwright.variants import SLOTS, SubBlock, VariantSpec

LAYERS = (3, 10)
MOMENTS = FOLDER / "block-distill"
TEXT = TextSettings(
    calibration=("pydoc:modules",), evaluation=("pydoc:topics",), calibration_tokens=49152, heldback_tokens=4096
)
DISTILL = BlockDistillSettings(tokens=49152)
SETTINGS = LibrarySettings(gradient_tokens=1024, distill=DISTILL)


@dataclass(frozen=True)
class Trained:
    """One sub-block: CPU seconds of each part of the work, and the share of the refit's loss that is left."""

    sub_block: SubBlock
    pass_to_it: float
    record: float
    at_once: float
    one_by_one: Mapping[str, float]
    share_left: Mapping[str, float]


def main() -> None:
    trained = list(_trained())
    variants = sum(len(one.one_by_one) for one in trained)
    alone = sum(sum(one.one_by_one.values()) for one in trained)
    record = sum(one.record for one in trained)
    seconds = {
        "all at once": record + sum(one.at_once for one in trained),
        "one by one, each on recorded activations": record + alone,
        "one by one, each with a pass of the parent up to its layer": alone
        + sum((one.pass_to_it + one.record) * len(one.one_by_one) for one in trained),
    }
    rows = [(way, variants, spent, 60 * variants / spent) for way, spent in seconds.items()]
    title = f"Block distillation of layers {', '.join(map(str, LAYERS))}, {DISTILL.tokens} tokens a variant"
    print_table(title, ("way", "variants", "CPU seconds", "variants a CPU minute"), rows)
    shares = [(str(one.sub_block), label, left) for one in trained for label, left in one.share_left.items()]
    print_table("What is left of the refit's loss on held-back text", ("sub-block", "variant", "share"), shares)
    mean = sum(left for *_, left in shares) / len(shares)
    print(f"\nOn average block distillation takes {100 * (1 - mean):.1f}% off the refit's loss on these layers.")


def _trained() -> Iterator[Trained]:
    """The parent is passed through once; each sub-block of LAYERS is built and trained on the way."""
    parent = open_smollm2()
    tokens = load_tokens(TEXT, parent.tokenizer(), seed=0)
    stack, space, passed = parent.stack(), space_of("puzzle", parent), 0.0
    measure_gradient_moments(stack, tokens["calibration"], SETTINGS, MOMENTS, seed=0)
    streams = Streams(stack.embed(tokens["calibration"]), stack.embed(tokens["heldback"]))
    for index in range(max(LAYERS) + 1):
        if index not in LAYERS:
            passed += _seconds(partial(_pass, stack, streams, index))
            continue
        for slot in SLOTS:
            context = _context(parent, stack, streams, SubBlock(index, slot))
            trained = _train(parent, context, space[context.sub_block], passed)
            passed += trained.record
            context.advance()
            yield trained


def _pass(stack: LayerStack, streams: Streams, index: int) -> None:
    """Moves the streams past a layer that is not trained."""
    layer, arguments = stack.layer(index), stack.attention_arguments(TEXT.sequence_length)
    with torch.no_grad():
        for stream in (streams.calibration, streams.heldback):
            for part in stream.split(SEQUENCES_AT_ONCE):
                part.copy_(layer(part, **arguments))


def _context(parent: Parent, stack: LayerStack, streams: Streams, sub_block: SubBlock) -> SubBlockContext:
    shape, moment = parent.shape(sub_block.slot), read_gradient_moment(MOMENTS, sub_block)
    layer = stack.layer(sub_block.layer)
    return SubBlockContext(sub_block, shape, stack, layer, streams, moment, SETTINGS, seed=0)


def _train(parent: Parent, context: SubBlockContext, specs: Sequence[VariantSpec], passed: float) -> Trained:
    variants, record = installed_plugins().variants, _seconds(partial(_run, context))
    built = build_in_closed_form(context, specs, variants, context.keep_outputs)
    with TemporaryDirectory() as folder:
        distilling = Distilling(parent, variants, Path(folder))
        with_weights = {spec: weights for spec, weights in built.items() if weights}
        alone = {
            spec.label: _seconds(partial(distilling.trained, context, {spec: weights}))
            for spec, weights in with_weights.items()
        }
        distilling.forget(context.sub_block)
        context.decisions.clear()
        at_once = _seconds(partial(distilling.trained, context, built))
    left = {label: _share_left(losses) for label, losses in context.decisions.items()}
    return Trained(context.sub_block, passed, record, at_once, alone, left)


def _run(context: SubBlockContext) -> None:
    """The parent's sub-block over both streams, which is what recording takes; moments are the refit's."""
    arguments, student = context.attention_arguments, Student(context.layer, context.sub_block.slot, ())
    with torch.no_grad():
        for stream in (context.streams.calibration, context.streams.heldback):
            for part in stream.split(SEQUENCES_AT_ONCE):
                student.added(part, arguments)


def _share_left(losses: Mapping[str, float]) -> float:
    return losses[DISTILLED] / min(loss for way, loss in losses.items() if way != DISTILLED)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
