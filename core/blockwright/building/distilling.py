"""Trains what the library built in closed form; each variant keeps the better of the two on held-back text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from blockwright.child.assembly import Variants, child_config
from blockwright.child.kinds import register_kinds
from blockwright.construction import SubBlockContext
from blockwright.events import emit
from blockwright.healing.block_distillation.lessons import Lesson, Measure, Student, student_layer
from blockwright.healing.block_distillation.settings import DISTILLED, REFIT
from blockwright.healing.block_distillation.training import Outcome, Training
from blockwright.variants import MODULE_NAMES, NORM_NAMES, SubBlock, VariantSpec, Weights

if TYPE_CHECKING:
    from blockwright.parent import Parent


@dataclass(frozen=True)
class Distilling:
    """Trains the variants of one sub-block after the other; `directory` is the library's."""

    parent: Parent
    variants: Variants
    directory: Path

    def trained(self, context: SubBlockContext, built: Mapping[VariantSpec, Weights]) -> dict[VariantSpec, Weights]:
        """The variants with trained weights where those are better; what each way loses goes on record."""
        assert context.settings.distill is not None
        students = self._students(context, built)
        if not students:
            return dict(built)
        lesson = _lesson(context, {spec.label: student for spec, student in students.items()})
        training = Training(lesson, context.settings.distill, context.seed, self._checkpoint(context.sub_block))
        outcomes = training.run()
        chosen = {spec: _better(context, spec, weights, outcomes.get(spec.label)) for spec, weights in built.items()}
        _tell(context, training, outcomes)
        return chosen

    def forget(self, sub_block: SubBlock) -> None:
        """Removes the checkpoint of a training whose result is written."""
        self._checkpoint(sub_block).unlink(missing_ok=True)

    def _checkpoint(self, sub_block: SubBlock) -> Path:
        return self.directory / "distilling" / f"{sub_block}.safetensors"

    def _students(self, context: SubBlockContext, built: Mapping[VariantSpec, Weights]) -> dict[VariantSpec, Student]:
        """Those that have weights of their own to train."""
        register_kinds(self.variants.values())
        found = {spec: self._student(context, spec, weights) for spec, weights in built.items() if weights}
        return {spec: student for spec, student in found.items() if student.trained}

    def _student(self, context: SubBlockContext, spec: VariantSpec, weights: Weights) -> Student:
        sub_block = context.sub_block
        config = child_config(self.parent, {sub_block: spec}, self.variants)
        config._attn_implementation = context.stack.config._attn_implementation
        layer = student_layer(config, sub_block.layer, sub_block.slot, _state(context, weights))
        module = layer.get_submodule(MODULE_NAMES[sub_block.slot])
        names = [name for name, weight in module.named_parameters() if weight.is_floating_point()]
        trained = self.variants[(spec.slot, spec.kind)].trainable(names)
        return Student(layer, sub_block.slot, tuple(f"{MODULE_NAMES[sub_block.slot]}.{name}" for name in trained))


def _state(context: SubBlockContext, weights: Weights) -> dict[str, Tensor]:
    """The sub-block's weights by their names inside the layer, and its norm's."""
    slot, parents = context.sub_block.slot, context.weights
    norm = f"{NORM_NAMES[slot]}.weight"
    state = {norm: context.layer.get_parameter(norm).detach()}
    for name, weight in weights.items():
        whole = weight if isinstance(weight, Tensor) else parents[weight.tensor].index_select(weight.dim, weight.index)
        state[f"{MODULE_NAMES[slot]}.{name}"] = whole.to(context.stack.device, context.stack.dtype)
    return state


def _lesson(context: SubBlockContext, students: Mapping[str, Student]) -> Lesson:
    assert context.settings.distill is not None
    through_the_output = Measure(context.gradient_moment)
    windows = {student.layer.config.sliding_window for student in students.values()}
    return Lesson(
        str(context.sub_block),
        students,
        context.examples("calibration"),
        context.examples("heldback"),
        context.attention_arguments_for(windows),
        through_the_output if context.settings.distill.output_weighted else Measure(),
        through_the_output,
    )


def _better(context: SubBlockContext, spec: VariantSpec, weights: Weights, outcome: Outcome | None) -> Weights:
    """The trained weights, or those from before; decisions are ½ Σ E[δᵀ G δ], what `fisher` expects to lose."""
    if outcome is None:
        return weights
    before, after = outcome.before.judged / 2, outcome.after.judged / 2
    ways = context.decisions.get(spec.label, {REFIT: before})
    context.record(spec, {**ways, DISTILLED: after})
    prefix = f"{MODULE_NAMES[spec.slot]}."
    return {**weights, **{name.removeprefix(prefix): weight for name, weight in outcome.weights.items()}}


def _tell(context: SubBlockContext, training: Training, outcomes: Mapping[str, Outcome]) -> None:
    weights = [weight for outcome in outcomes.values() for weight in outcome.weights.values()]
    emit(
        "sub_block_distilled",
        sub_block=str(context.sub_block),
        variants=len(outcomes),
        improved=sum(bool(outcome.weights) for outcome in outcomes.values()),
        share_left={label: round(outcome.share_left, 4) for label, outcome in outcomes.items()},
        bytes_added=sum(weight.numel() * weight.element_size() for weight in weights),
        tokens_per_s=round(training.tokens_per_s, 1),
    )
