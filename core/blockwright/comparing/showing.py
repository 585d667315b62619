"""Outcomes as a table, a CSV and a plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from blockwright.comparing.outcomes import Outcome
from blockwright.files import write_atomically
from blockwright.terminal.resources import as_resource, told_as
from blockwright.terminal.tables import Summary, Table, as_duration

FIGURES = ("predicted", "realised", "kl_nats_per_token", "top1_agreement", "seconds")
Named = Mapping[str, Outcome]  # by contender, or by budget


def outcome_summary(title: str, named: Named, folder: Path, notes: Sequence[str] = ()) -> Summary:
    """Best last column first: what each child loses on unseen text; also written to `folder` as CSV and plot.

    `notes` are told below the table: what a dry run leaves out.
    """
    limited = list(dict.fromkeys(name for one in named.values() for name in one.limits))
    columns = (title, "predicted", "realised", "on unseen text", "top-1", *map(told_as, limited), "search", "")
    rows = [_row(name, one, limited) for name, one in named.items()]
    lines = [f"{name}: {one.failed}" for name, one in named.items() if one.failed]
    written = [_write_csv(named, folder), _write_plot(title, named, limited, folder)]
    lines += [
        f"Written: {', '.join(map(str, written))}",
        "predicted, realised and on unseen text: KL in nats per token",
        *notes,
    ]
    return Summary({name: asdict(one) for name, one in named.items()}, [Table("Children", columns, rows)], lines)


def _row(name: str, one: Outcome, limited: Sequence[str]) -> tuple[str, ...]:
    costs = [as_resource(resource, (one.costs or {})[resource]) if one.costs else "" for resource in limited]
    seconds = "" if one.seconds is None else as_duration(one.seconds)
    figures = (one.predicted, one.realised, one.kl_nats_per_token)
    told = ["" if figure is None else f"{figure:.4f}" for figure in figures]
    top1 = "" if one.top1_agreement is None else f"{one.top1_agreement:.1%}"
    return name, *told, top1, *costs, seconds, "failed" if one.failed else one.status.replace("_", " ")


def _write_csv(named: Named, folder: Path) -> Path:
    """Exact numbers, one child a line."""
    resources = list(dict.fromkeys(name for one in named.values() for name in one.costs or {}))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *FIGURES, *resources, "status", "failed"])
    for name, one in named.items():
        costs = [(one.costs or {}).get(resource, "") for resource in resources]
        writer.writerow([name, *(getattr(one, figure) for figure in FIGURES), *costs, one.status, one.failed])
    path = folder / "outcomes.csv"
    with write_atomically(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")
    return path


def _write_plot(title: str, named: Named, limited: Sequence[str], folder: Path) -> Path:
    """Quality against the first limited cost: predicted, realised and on unseen text; one page without network."""
    import plotly.graph_objects as plotly

    children = {name: one for name, one in named.items() if one.costs}
    costs = [(one.costs or {}).get(limited[0]) for one in children.values()] if limited else []
    drawn = plotly.Figure()
    for figure in ("predicted", "realised", "kl_nats_per_token"):
        values = [getattr(one, figure) for one in children.values()]
        label = "on unseen text" if figure == "kl_nats_per_token" else figure
        drawn.add_trace(
            plotly.Scatter(x=costs, y=values, name=label, mode="markers", text=list(children), hoverinfo="text+x+y")
        )
    axis = {"xaxis_title": told_as(limited[0]) if limited else "", "yaxis_title": "KL, nats per token"}
    drawn.update_layout(title=title, template="plotly_white", **axis)
    path = folder / "outcomes.html"
    with write_atomically(path) as beside:
        drawn.write_html(beside, include_plotlyjs=True)
    return path
