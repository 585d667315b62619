"""What the run came to, in two sentences for somebody who has not seen it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from blockwright.report.reading import Record
from blockwright.report.records import Evaluation
from blockwright.terminal.tables import as_bytes, as_count


def verdict(record: Record) -> tuple[str, ...]:
    """Size and quality; what is missing where the run is not finished."""
    return (*_size(record), *_quality(record), *_missing(record))


def _size(record: Record) -> Iterator[str]:
    search, costs = record.search, record.costs
    if search is None or costs is None:
        return
    taken, parent = search.solution.costs, costs.parent
    words = f"The child has {as_count(taken['params'])} parameters, {_share(taken, parent, 'params')} of its parent’s"
    words += f" {as_count(parent['params'])}"
    if "memory" in taken and "memory" in parent:
        words += f", and takes {as_bytes(taken['memory'])} of memory where the parent takes"
        words += f" {as_bytes(parent['memory'])} ({_share(taken, parent, 'memory')})"
    yield f"{words}."


def _share(taken: Mapping[str, float], parent: Mapping[str, float], resource: str) -> str:
    return percent(taken[resource] / parent[resource])


def _quality(record: Record) -> Iterator[str]:
    if record.evaluation:
        yield _measured(record.evaluation)
    elif record.search and record.search.realised is not None:
        yield (
            f"Summed scores predict a loss of {nats(record.search.predicted)} nats per token against the parent, and"
            f" the child of the search, put together, loses {nats(record.search.realised)} on the text of the search."
        )
    elif record.search:
        yield (
            "This is a dry run: the parent’s weights are left out and no child was put together, so nothing is known "
            f"of what it loses. Its scores are {record.scores_origin.words}."
        )


def _measured(evaluation: Evaluation) -> str:
    final = evaluation.final
    return (
        f"On {final.tokens:,} tokens of text that neither the search nor the healing has seen it loses"
        f" {nats(final.kl_nats_per_token)} nats per token against the parent (summed scores had predicted"
        f" {nats(evaluation.predicted)}), picks the parent’s own next token {percent(final.top1_agreement)} of the"
        f" time, and has perplexity {final.child_perplexity:.4g} where the parent has {final.parent_perplexity:.4g}."
    )


def _missing(record: Record) -> Iterator[str]:
    if record.missing:
        done = len(record.steps) - len(record.missing)
        yield (
            f"The run is not finished: {done} of {len(record.steps)} steps are done, and this is still to come:"
            f" {', '.join(record.missing)}."
        )


def nats(value: float) -> str:
    return f"{value:.3g}"


def percent(share: float) -> str:
    """`79.9%`."""
    return f"{share:.1%}"
