"""Windows of layers that may run side by side: greedily those whose largest dependency is smallest (2503.18908, 6)."""

from __future__ import annotations

from collections.abc import Sequence

from blockwright.fusion.splitting import Dependencies


def choose_windows(
    layers: Sequence[int], dependencies: Dependencies, size: int, count: int, threshold: float | None = None
) -> tuple[range, ...]:
    """At most `count` windows of `size` layers that add something, apart from each other, in the order of the layers.

    `dependencies[i][j]` is that of layer j on layer i; none above `threshold` lies within a window.
    """
    candidates = [layers[start : start + size] for start in range(len(layers) - size + 1)]
    ranked = sorted(candidates, key=lambda window: (_largest(window, dependencies), window[0]))
    chosen: list[range] = []
    for window in ranked:
        if len(chosen) == count or (threshold is not None and _largest(window, dependencies) > threshold):
            break
        span = range(window[0], window[-1] + 1)
        if all(span.stop <= other.start or other.stop <= span.start for other in chosen):
            chosen.append(span)
    return tuple(sorted(chosen, key=lambda window: window.start))


def _largest(window: Sequence[int], dependencies: Dependencies) -> float:
    return max(dependencies[i][j] for i in window for j in window if i < j)
