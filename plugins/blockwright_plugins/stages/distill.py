"""`distill`: the whole child learns the parent's next-token distributions (GKD; Puzzle, arXiv 2411.19146)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from blockwright.plugins import hookimpl
from blockwright.stages import Stage, StageContext, StageOptions, StageResult
from blockwright.text.corpus import CorpusSettings
from blockwright.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

    from blockwright.stages import Curve
    from blockwright.training.job import TrainingJob
    from blockwright.training.outcome import Outcome

CURVES = {  # columns of losses.csv and evaluations.csv by what the report calls them
    "losses.csv": {
        "loss": "loss (nats per token)",
        "divergence": "KL (nats per token)",
        "hidden": "hidden states (1 − cosine)",
        "language_model": "cross entropy (nats per token)",
    },
    "evaluations.csv": {"kl": "held-back KL (nats per token)", "top1": "held-back top-1 agreement (share)"},
}


class DistillOptions(TrainingSettings, StageOptions):
    """The training loop's options, and: `data`, what it learns from; `launcher`, what starts its processes.

    Without a `launcher` the stage trains in this process. `torchrun --standalone --nproc-per-node 8` trains on eight
    GPUs; across machines it is the whole line that goes before `-m MODULE`, as in `srun … torchrun --nnodes 4 …`.
    """

    without_effect = frozenset({"launcher", "checkpoint_every", "keep"})
    data: CorpusSettings = CorpusSettings()
    launcher: str | None = None


class DistillStage(Stage):
    """Distils all weights of the child at once; the best child by held-back KL is what it ends in."""

    name = "distill"
    heals = True
    Options = DistillOptions
    contract_options = ({"data": {"tokens": 256}, "batch_size": 4, "learning_rate": 3e-3, "evaluate_every": 2},)

    def run(self, context: StageContext) -> StageResult:
        from blockwright.training.job import run_job
        from blockwright.training.launching import launch
        from blockwright.training.outcome import Outcome
        from blockwright.training.processes import one_process

        job, launcher = self._job(context), self._options.launcher
        if launcher is None:
            return self._result(context, run_job(job, one_process()))
        launch(launcher, job.write(), context.directory / "launcher.log")
        outcome = Outcome.read(context.directory)
        assert outcome is not None, "a job that ends well has written its outcome"
        return self._result(context, outcome)

    @property
    def _options(self) -> DistillOptions:
        assert isinstance(self.options, DistillOptions)
        return self.options

    def _job(self, context: StageContext) -> TrainingJob:
        from safetensors.torch import save_file

        from blockwright.files import write_atomically
        from blockwright.training.distillation import HELDBACK
        from blockwright.training.job import TrainingJob

        heldback = context.directory / "heldback.safetensors"
        with write_atomically(heldback) as beside:
            save_file({HELDBACK: context.tokens["heldback"]}, beside)
        settings = self._options.model_dump(include=set(TrainingSettings.model_fields))
        return TrainingJob(
            parent=context.parent.directory.resolve(),
            child=context.child.resolve(),
            corpus=context.corpus(self._options.data).folder.resolve(),
            heldback=heldback.resolve(),
            directory=context.directory.resolve(),
            seed=context.seed,
            settings=TrainingSettings.model_validate(settings),
        )

    def _result(self, context: StageContext, outcome: Outcome) -> StageResult:
        figures = {
            "before": outcome.kl_before,
            "after": outcome.kl_after,
            "top1 before": outcome.top1_before,
            "top1 after": outcome.top1_after,
            "steps": float(outcome.steps),
            "best step": float(outcome.best_step),
            "tokens": float(outcome.tokens),
        }
        child = context.child if outcome.child is None else outcome.child
        return StageResult(child, figures, tuple(_notes(outcome)), _curves(context.directory))


def _notes(outcome: Outcome) -> Iterator[str]:
    if outcome.stopped:
        yield f"training {outcome.stopped}; the last good state is in checkpoints/"
    if outcome.child is None:
        yield "no child in training was better on held-back tokens than the given one, which is kept"
    else:
        yield f"the child of step {outcome.best_step} was the best on held-back tokens"


def _curves(folder: Path) -> Mapping[str, Curve]:
    """Of what was learned from and of what was judged; a part of the loss that is off has none."""
    from blockwright.training.records import EVALUATIONS, LOSSES, Record

    curves: dict[str, Curve] = {}
    for file, columns in (("losses.csv", LOSSES), ("evaluations.csv", EVALUATIONS)):
        rows = Record(folder / file, columns).rows()
        for column, name in CURVES[file].items():
            if any(row[column] for row in rows):
                curves[name] = [(int(row["step"]), row[column]) for row in rows]
    return curves


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [DistillStage]
