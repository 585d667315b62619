"""Puts the page together: values from `reading`, drawings, and the template beside this module."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blockwright.files import write_atomically
from blockwright.report.dependency_map import joinings
from blockwright.report.front import front_chart, front_of
from blockwright.report.healing import channel_choice, healings, trained_variants
from blockwright.report.heat_map import heat_maps
from blockwright.report.reading import Record
from blockwright.report.rounds_chart import rounds_chart
from blockwright.report.sizes import breakdowns
from blockwright.report.task_tables import task_tables
from blockwright.report.verdict import nats, percent, verdict
from blockwright.terminal.resources import as_resource
from blockwright.terminal.tables import as_count, as_duration


@dataclass(frozen=True)
class Bar:
    """A line of a bar chart; `size` is a share of the longest."""

    name: str
    on: str
    value: float
    size: float


def write_report(run_directory: Path) -> Path:
    """Writes RUN/report/index.html and returns it; equal files give equal bytes.

    A run that is not finished gets the page as far as it has come. UserError where there is no run.
    """
    page = page_of(Record(run_directory))
    path = run_directory / "report" / "index.html"
    with write_atomically(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def page_of(record: Record) -> str:
    """The whole page; everything that comes from a file is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": as_count, "duration": as_duration, "percent": percent, "nats": nats}
    environment.filters["resource"] = lambda value, name: as_resource(name, value)
    return environment.get_template("page.html").render(_values(record)) + "\n"


def _values(record: Record) -> Mapping[str, object]:
    """What the template shows, by the name it has there."""
    chosen = record.search.solution.variants if record.search else {}
    comparable = record.scores_origin.in_nats and not record.scores_origin.from_base
    front = front_of(record.costs, record.scores, chosen, record.evaluation) if comparable else None
    return {
        "record": record,
        "front": front,
        "front_chart": front_chart(front),
        "verdict": verdict(record),
        "strip": _strip(record, chosen),
        "breakdowns": breakdowns(record.costs, chosen, record.child_config) if record.costs and chosen else (),
        "losses": _with_sizes(_losses(record)),
        "rounds_chart": rounds_chart(record.search.rounds) if record.search else "",
        "heat_maps": heat_maps(record.scores, record.costs, chosen, record.scores_origin.words),
        "joinings": joinings(record.transforms),
        "healings": healings(record.stages),
        "channel_choice": channel_choice(record.decisions, chosen),
        "trained_variants": trained_variants(record.decisions, chosen),
        "command": _command(record),
        "task_tables": task_tables(record.comparison),
    }


def _strip(record: Record, chosen: Mapping[str, str]) -> str:
    from markupsafe import Markup

    from blockwright.pictures.strip import strip_of
    from blockwright.pictures.svg import strip_html

    if record.costs is None or not chosen:
        return ""
    params = {
        name: {label: float(price.parameters) for label, price in prices.items()}
        for name, prices in record.costs.main.blocks.items()
    }
    joined = [parts for outcome in record.transforms.values() for parts in outcome.joined]
    strip = strip_of(chosen, params).joining(joined)
    return Markup(strip_html(strip, "One column a layer, filled as far as weights are kept"))


def _losses(record: Record) -> Iterator[tuple[str, str, float]]:
    """Names, texts and nats per token, from the first prediction to the last measurement."""
    if record.search and record.scores_origin.in_nats:
        against = ", against the healed child before" if record.scores_origin.from_base else ""
        yield "sum of scores", f"scoring text{against}", record.search.predicted
    if record.search and record.search.realised is not None:
        yield "chosen child", "scoring text", record.search.realised
    if record.evaluation:
        yield "as built", "unseen text", record.evaluation.built.kl_nats_per_token
        if record.stages or record.transforms:
            after = "after healing" if record.stages else "after transforms"
            yield after, "unseen text", record.evaluation.final.kl_nats_per_token


def _with_sizes(losses: Iterator[tuple[str, str, float]]) -> tuple[Bar, ...]:
    found = tuple(losses)
    longest = max((value for _, _, value in found), default=0.0)
    return tuple(Bar(name, on, value, max(0.0, value / longest) if longest > 0 else 0.0) for name, on, value in found)


def _command(record: Record) -> str:
    """Makes the run again, beside itself."""
    recipe = Path(str(record.recipe.get("runs", "runs"))) / record.name / "recipe.yaml"
    return f"blockwright run {shlex.quote(str(recipe))} runs=again"
