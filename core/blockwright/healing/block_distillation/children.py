"""Trains what a child has in place of the parent's sub-blocks, layer after layer, on the parent's activations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from blockwright.child.modeling_blockwright import BUILT_IN, DecoderLayer
from blockwright.events import emit
from blockwright.healing.block_distillation.lessons import Arguments, Examples, Lesson, Measure, Part, Student
from blockwright.healing.block_distillation.results import (
    Record,
    TrainedSource,
    read_records,
    result_path,
    write_result,
)
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.healing.block_distillation.training import Training
from blockwright.healing.texts import HealingTexts
from blockwright.models.stack import LayerStack, added_to
from blockwright.plugins import installed_plugins
from blockwright.variants import MODULE_NAMES, NORM_NAMES, SLOTS, Slot, SubBlock

OutputMoment = Callable[[SubBlock], Tensor]  # G = E[g gᵀ] (hidden, hidden) at a sub-block's output in the parent
DECOUPLED: tuple[Part, ...] = SLOTS  # attention and FFN, each on its own
COUPLED: tuple[Part, ...] = ("layer",)  # the chosen pair at once, by what the whole layer adds to the stream


@dataclass(frozen=True)
class _Place:
    """One layer of both models, and the parent's streams before it."""

    index: int
    theirs: DecoderLayer
    ours: DecoderLayer
    streams: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class ChildDistillation:
    """One walk along the parent; finished parts are files in `directory`, which a run that was killed passes over.

    One layer of each model and the parent's streams are resident, whatever the depth.
    """

    parent: LayerStack
    child: LayerStack
    settings: BlockDistillSettings
    moment: OutputMoment
    seed: int
    directory: Path

    def run(self, texts: HealingTexts, parts: tuple[Part, ...]) -> LayerStack:
        """The child with what was learnt in it, read from the files when it is asked for."""
        streams = self.parent.embed(texts.calibration), self.parent.embed(texts.heldback)
        length = texts.calibration.shape[1]
        arguments = self.parent.attention_arguments(length), self.child.attention_arguments(length)
        for index in range(len(self.child)):
            place = _Place(index, self.parent.layer(index), self.child.layer(index), streams)
            own = {part: trained_names(place.theirs, place.ours, part) for part in parts}  # before any is moved
            for part in parts:
                self._teach(place, part, own[part], arguments)
            emit("layer_distilled", done=index + 1, total=len(self.child), layer=index)
        return LayerStack(self.child.config, TrainedSource(self.child.source, self.directory))

    def records(self) -> tuple[Record, ...]:
        """Of all that was trained."""
        return read_records(self.directory)

    def _teach(self, place: _Place, part: Part, own: tuple[str, ...], arguments: tuple[Arguments, Arguments]) -> None:
        """Trains what is the child's own there, and moves the streams on."""
        name, theirs = f"{part}.{place.index}", Student(place.theirs, part, ())
        ours = Student(place.ours, part, own)
        outputs = [_outputs(theirs, stream, arguments[0]) for stream in place.streams]
        if ours.trained and not result_path(self.directory, name).exists():
            calibration, heldback = (Examples(*pair) for pair in zip(place.streams, outputs, strict=True))
            self._train(name, Lesson(name, {name: ours}, calibration, heldback, arguments[1], *self._measures(name)))
        self._checkpoint(name).unlink(missing_ok=True)
        for stream, output in zip(place.streams, outputs, strict=True):
            stream += output

    def _train(self, name: str, lesson: Lesson) -> None:
        training = Training(lesson, self.settings, self.seed, self._checkpoint(name))
        outcome = training.run()[name]
        record = Record(name, outcome.before, outcome.after, outcome.step, round(training.tokens_per_s, 1))
        write_result(self.directory, record, outcome.weights)

    def _measures(self, name: str) -> tuple[Measure, Measure]:
        """Of training, and of the judge."""
        slot, _, layer = name.partition(".")
        through_the_output = Measure(self.moment(SubBlock(int(layer), "attention" if slot == "attention" else "ffn")))
        return (through_the_output if self.settings.output_weighted else Measure()), through_the_output

    def _checkpoint(self, name: str) -> Path:
        return self.directory / "checkpoints" / f"{name}.safetensors"


def trained_names(theirs: DecoderLayer, ours: DecoderLayer, part: Part) -> tuple[str, ...]:
    """The weights to train, by their names inside the layer; none where a sub-block is the parent's own.

    Of a pair both must be the child's: one alone has been trained for its own output, and moving the parent's
    beside it gained next to nothing on SmolLM2.

    A fused FFN does the work of several layers: what it should add is not known here.
    """
    slots = SLOTS if part == "layer" else (part,)
    if any(_is_the_parents(theirs, ours, slot) for slot in slots) or ("ffn" in slots and _is_fused(theirs, ours)):
        return ()
    return tuple(f"{MODULE_NAMES[slot]}.{name}" for slot in slots for name in _trainable(ours, slot))


def _trainable(layer: DecoderLayer, slot: Slot) -> Iterable[str]:
    module = _module(layer, slot)
    if module is None:
        return ()
    names = [name for name, weight in module.named_parameters() if weight.is_floating_point()]
    kind = layer.config.attention_kind if slot == "attention" else layer.config.mlp_kind
    variant = None if kind in BUILT_IN else installed_plugins().variants.get((slot, kind))
    return names if variant is None else variant.trainable(names)


def _is_the_parents(theirs: DecoderLayer, ours: DecoderLayer, slot: Slot) -> bool:
    modules = _module(theirs, slot), _module(ours, slot)
    if slot == "attention" and theirs.config.sliding_window != ours.config.sliding_window:
        return False
    if type(modules[0]) is not type(modules[1]) or modules[0] is None or modules[1] is None:
        return False
    first, second = (module.state_dict() for module in modules if module is not None)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _is_fused(theirs: DecoderLayer, ours: DecoderLayer) -> bool:
    """Wider than the parent's, or of a norm whose gain of one says that its own was folded into the weights."""
    if ours.mlp is None or theirs.mlp is None:
        return False
    gains = (layer.get_parameter(f"{NORM_NAMES['ffn']}.weight") for layer in (theirs, ours))
    was_one, is_one = (bool((gain == 1).all()) for gain in gains)
    return bool(ours.config.intermediate_size > theirs.config.intermediate_size) or (is_one and not was_one)


def _module(layer: DecoderLayer, slot: Slot) -> nn.Module | None:
    module: nn.Module | None = getattr(layer, MODULE_NAMES[slot])
    return module


def _outputs(student: Student, stream: Tensor, arguments: Arguments) -> Tensor:
    """What a sub-block or a layer adds to all of a stream."""
    added = added_to(stream, lambda few: student.added(few, arguments))
    assert added is not None, "a student always adds something, if only zeros"
    return added
