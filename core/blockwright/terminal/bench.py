"""A child against its parent in an engine, as a table."""

from __future__ import annotations

from blockwright.benching.bench import Benched, Compared
from blockwright.terminal.tables import Summary, Table

HINT = "--profile NAME predicts with a hardware profile, --save FILE.yaml measures this engine's own"


def bench_summary(benched: Benched) -> Summary:
    """Medians, and the predicted ratios beside the measured one."""
    names = list(benched.rows[0].predicted)
    columns = ("step", "parent, tokens/s", "child, tokens/s", "measured", "rounds", *(f"by {name}" for name in names))
    load = benched.load
    title = f"{benched.version}, {benched.precision}: prompt {load.prefill}, {load.decode} tokens decoded"
    lines = [*benched.notes, *([HINT] if len(names) == 1 and not benched.notes else [])]
    return Summary(as_data(benched), [Table(title, columns, [_row(row, names) for row in benched.rows])], lines)


def as_data(benched: Benched) -> dict[str, object]:
    """For scripts: every round's ratio too."""
    facts = {name: getattr(benched, name) for name in ("engine", "version", "precision")}
    return {**facts, "load": vars(benched.load), "rows": [vars(row) for row in benched.rows], "notes": benched.notes}


def _row(row: Compared, names: list[str]) -> tuple[str, ...]:
    step = "prefill" if row.phase == "prefill" else f"decode, batch {row.batch}"
    predicted = (f"{row.predicted[name]:.3f} ({row.error(name):+.1%})" for name in names)
    spread = f"{min(row.ratios):.2f} to {max(row.ratios):.2f}"
    speeds = (f"{row.parent_tokens_per_s:.1f}", f"{row.child_tokens_per_s:.1f}")
    return step, *speeds, f"{row.ratio:.3f}", spread, *predicted
