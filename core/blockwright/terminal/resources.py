"""Resources in words: names that people know, and values with their units."""

from __future__ import annotations

from collections.abc import Mapping

from blockwright.terminal.tables import as_bytes, as_count

PER_TOKEN = "ms_per_token"  # what adds up, in place of tokens per second


def told_as(name: str) -> str:
    """`chat.ms_per_token` is told as `chat.tokens_per_s`; all others by their own names."""
    return name.removesuffix(PER_TOKEN) + "tokens_per_s" if name.endswith(PER_TOKEN) else name


def as_resource(name: str, value: float) -> str:
    """With its unit; rates are told as tokens per second."""
    kind = name.rpartition(".")[2]
    if kind == "memory":
        return as_bytes(value)
    if kind == PER_TOKEN:
        return as_count(1e3 / value) if value else "any number of"
    return f"{value:.4g} ms" if kind.endswith("_ms") else as_count(value)


def cost_rows(taken: Mapping[str, float], parent: Mapping[str, float]) -> list[tuple[str, str, str, str]]:
    """Each resource in words: its name, what a child takes, what the parent takes, and the share."""
    return [
        (told_as(name), as_resource(name, value), as_resource(name, parent[name]), as_share(name, value, parent[name]))
        for name, value in taken.items()
        if name in parent
    ]


def as_share(name: str, child: float, parent: float) -> str:
    """`79.9%` of the parent's; of rates how many times as many, as `2.17x`."""
    if name.endswith(PER_TOKEN):
        return f"{parent / child:.2f}x" if child else ""
    return f"{child / parent:.1%}" if parent else ""
