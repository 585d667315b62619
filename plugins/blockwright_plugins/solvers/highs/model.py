"""HiGHS itself: a quiet instance with a program in it, and a run that either worked or says that it did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright_plugins.solvers.highs.program import Program

if TYPE_CHECKING:
    import highspy

SCORES_TO = 1e3  # the largest score after scaling, so that HiGHS' absolute tolerances are small against differences


@dataclass(frozen=True)
class Settings:
    """When to stop, and the seed."""

    time_limit_s: float
    mip_gap: float
    seed: int


def scale_of(program: Program) -> float:
    """What scores are multiplied with."""
    return SCORES_TO / (max((abs(part.score) for part in program.variables.parts), default=0.0) or 1.0)


def loaded(program: Program, settings: Settings, whole: bool = True) -> highspy.Highs:
    """An instance that holds the program, or its relaxation where variables need not be whole."""
    highs = _quiet_highs()
    for option, value in _options(settings).items():
        highs.setOptionValue(option, value)
    model = _model(program, scale_of(program))
    if not whole:
        model.integrality_ = []
    highs.passModel(model)
    return highs


def run(highs: highspy.Highs, seconds: float) -> None:
    """Runs for so long at most; RuntimeError where HiGHS did not run, whose answer would be none.

    All instances of a process share threads: where another part of it has set up more, one thread is refused.
    """
    import highspy

    highs.setOptionValue("time_limit", highs.getRunTime() + max(seconds, 0.0))
    if highs.run() == highspy.HighsStatus.kError:
        highspy.Highs.resetGlobalScheduler(True)
        if highs.run() == highspy.HighsStatus.kError:
            raise RuntimeError(f"HiGHS failed, with the model status {highs.getModelStatus()}")


def _model(program: Program, scale: float) -> highspy.HighsLp:
    """What is whole where the columns are needs no branching."""
    import highspy

    parts = program.variables.parts
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(parts), len(program.rows)
    model.col_cost_ = [part.score * scale for part in parts]
    model.col_lower_ = [0.0] * len(parts)
    model.col_upper_ = [0.0 if number in program.impossible else 1.0 for number in range(len(parts))]
    kinds = highspy.HighsVarType
    model.integrality_ = [kinds.kInteger if part.is_whole else kinds.kContinuous for part in parts]
    model.row_lower_ = [row.low for row in program.rows]
    model.row_upper_ = [row.high for row in program.rows]
    _fill(model.a_matrix_, program)
    return model


def _fill(matrix: highspy.HighsSparseMatrix, program: Program) -> None:
    import highspy

    matrix.format_ = highspy.MatrixFormat.kRowwise
    starts = [0]
    for row in program.rows:
        starts.append(starts[-1] + len(row.terms))
    matrix.start_ = starts
    matrix.index_ = [number for row in program.rows for number in row.terms]
    matrix.value_ = [value for row in program.rows for value in row.terms.values()]


def _quiet_highs() -> highspy.Highs:
    """HiGHS 1.16 prints a banner on standard output when it enables callbacks, before any option could be set."""
    import highspy

    class Quiet(highspy.Highs):
        def enableCallbacks(self) -> None:
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Quiet()  # type: ignore[no-untyped-call]


def _options(settings: Settings) -> dict[str, bool | int | float]:
    return {
        "mip_rel_gap": settings.mip_gap,
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": 1e-9,
        "random_seed": settings.seed,
        "threads": 1,  # several threads may end at different, equally good solutions
    }
