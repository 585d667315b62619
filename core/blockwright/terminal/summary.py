"""What a run came to, in numbers that all come from files in its directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from blockwright.api import Run
from blockwright.pictures.strip import Strip, strip_of
from blockwright.problem import Solution
from blockwright.running.files import SOLVE
from blockwright.seals import STARTED
from blockwright.terminal.curves import curve_tables, last_values
from blockwright.terminal.evaluation import comparison_table
from blockwright.terminal.resources import cost_rows
from blockwright.terminal.tables import Summary, Table, as_duration

MEASURES = ("kl_nats_per_token", "top1_agreement", "parent_perplexity", "child_perplexity")


def run_summary(run: Run) -> Summary:
    """Steps, size and quality, as far as the run has come."""
    steps, transforms, curves = run.steps, run.transforms, last_values(run)
    tables = [_step_table(run, steps)]
    data: dict[str, object] = {"directory": str(run.directory), "steps": steps}
    strip = None
    if SOLVE in steps:
        solution = run.solution
        tables += solution_tables(run, solution)
        strip = strip_of_solution(run, solution)
        data["solution"] = asdict(solution)
    if strip is not None and transforms:
        strip = strip.joining(parts for record in transforms.values() for parts in _joined(record))
        tables.append(_transform_table(transforms))
        data["transforms"] = dict(transforms)
    data["curves"] = curves
    tables += curve_tables(curves)
    evaluation = run.evaluation if any(step.endswith("-evaluation") for step in steps) else None
    if evaluation is None and run.is_dry:
        report = run.directory / "report" / "index.html"
        lines = [f"A dry run: no child was put together. Its scores are {run.files.scores_origin().words}."]
        return Summary(
            data | {"scores": asdict(run.files.scores_origin())}, tables, [*lines, f"The report is {report}"], strip
        )
    if evaluation is None:
        goes_on = f"The run is not finished; `blockwright run {run.directory / 'recipe.yaml'}` goes on."
        return Summary(data, tables, [goes_on], strip)
    data |= {"evaluation": dict(evaluation), "child": str(run.child)}
    data["exports"] = {str(folder): command for folder, command in run.exports.items()}
    comparison = run.comparison
    asked = [] if comparison is None else [comparison_table(comparison)]
    data["tasks"] = None if comparison is None else comparison.model_dump(mode="json")
    return Summary(data, [*tables, _quality_table(evaluation), *asked], _places(run), strip)


def _joined(record: Mapping[str, object]) -> list[list[str]]:
    joined = record["joined"]
    assert isinstance(joined, list)
    return joined


def _transform_table(transforms: Mapping[str, Mapping[str, object]]) -> Table:
    """What each transform joined, and the KL on held-back text before and after it."""
    rows = []
    for step, record in transforms.items():
        figures = record["figures"]
        assert isinstance(figures, dict)
        joined = ", ".join(f"{parts[0]} to {parts[-1].rpartition('.')[2]}" for parts in _joined(record))
        rows.append((step, joined or "nothing", f"{figures['before']:.4g}", f"{figures['after']:.4g}"))
    return Table("Transforms", ("step", "joined", "KL before", "KL after"), rows)


def _places(run: Run) -> list[str]:
    """Where to go from here."""
    report = run.directory / "report" / "index.html"
    exports = [f"To serve it: {command}" for command in run.exports.values()]
    return [f"The child is in {run.child}", *exports, *([f"The report is {report}"] if report.exists() else [])]


def solution_summary(run: Run, solution: Solution) -> Summary:
    """A child that was solved for but not built; its quality is only predicted."""
    origin = run.files.scores_origin()
    predicted = f"Predicted loss: {solution.objective:.4f} nats per token (summed scores, which lie on the low side)"
    lines = [
        predicted if origin.in_nats else f"Sum of scores: {solution.objective:.4f}, {origin.words}",
        f"{solution.status}, gap {solution.gap:.2%}, {solution.seconds:.2f} s",
    ]
    return Summary(asdict(solution), solution_tables(run, solution), lines, strip_of_solution(run, solution))


def strip_of_solution(run: Run, solution: Solution) -> Strip:
    """The child layer by layer, each sub-block's share in parameters."""
    blocks = run.files.prices().main.blocks.items()
    params = {name: {label: float(cost.parameters) for label, cost in costs.items()} for name, costs in blocks}
    return strip_of(solution.variants, params)


def solution_tables(run: Run, solution: Solution) -> list[Table]:
    """What the child takes beside the parent, and which variants it has."""
    parent = run.files.prices().parent
    rows = cost_rows(solution.costs, parent)
    return [Table("Child", ("resource", "child", "parent", "share"), rows), _variant_table(solution.variants)]


def _variant_table(variants: Mapping[str, str]) -> Table:
    """How many sub-blocks took each variant."""
    counts: dict[tuple[str, str], int] = {}
    for sub_block, label in variants.items():
        key = (sub_block.split(".")[0], label)
        counts[key] = counts.get(key, 0) + 1
    rows = [(slot, label, str(count)) for (slot, label), count in sorted(counts.items())]
    return Table("Variants", ("slot", "variant", "sub-blocks"), rows)


def _step_table(run: Run, steps: Mapping[str, float]) -> Table:
    begun = [path.parent.name for path in sorted(run.directory.glob(f"*/{STARTED}"))]
    rows = [(step, as_duration(steps[step]) if step in steps else "begun") for step in begun]
    return Table(str(run.directory), ("step", "time"), rows)


def _quality_table(evaluation: Mapping[str, object]) -> Table:
    children = {name: figures for name, figures in evaluation.items() if isinstance(figures, dict)}
    rows = [
        (measure.replace("_", " "), *(f"{figures[measure]:.4g}" for figures in children.values()))
        for measure in MEASURES
        if all(measure in figures for figures in children.values())
    ]
    predicted = ("predicted kl nats per token", *(f"{evaluation['predicted']:.4g}" for _ in children))
    return Table("On unseen text", ("measure", *children), [predicted, *rows])
