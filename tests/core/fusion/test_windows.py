"""Windows are chosen greedily by their largest dependency."""

from __future__ import annotations

from blockwright.fusion.windows import choose_windows

LAYERS = range(8)


def matrix(**values: float) -> list[list[float]]:
    """0.5 everywhere but at `d12=0.1`."""
    found = [[0.5 if i < j else 0.0 for j in range(8)] for i in range(8)]
    for name, value in values.items():
        found[int(name[1])][int(name[2])] = value
    return found


def test_the_window_of_the_smallest_largest_dependency_is_taken_first() -> None:
    table = matrix(d34=0.1, d35=0.2, d45=0.1, d12=0.05)
    assert choose_windows(LAYERS, table, 3, 1) == (range(3, 6),)
    assert choose_windows(LAYERS, table, 2, 1) == (range(1, 3),)


def test_windows_lie_apart_and_come_in_order() -> None:
    table = matrix(d45=0.1, d56=0.2, d23=0.3)
    assert choose_windows(LAYERS, table, 2, 2) == (range(2, 4), range(4, 6))
    assert len(choose_windows(LAYERS, table, 2, 9)) == 4


def test_no_window_is_more_dependent_than_allowed() -> None:
    table = matrix(d45=0.1, d12=0.4)
    assert choose_windows(LAYERS, table, 2, 5, threshold=0.2) == (range(4, 6),)
    assert choose_windows(LAYERS, table, 3, 5, threshold=0.2) == ()


def test_layers_that_add_nothing_do_not_count() -> None:
    assert choose_windows([0, 3, 4, 7], matrix(d34=0.1, d37=0.1, d47=0.1), 3, 1) == (range(3, 8),)
    assert choose_windows([2], matrix(), 2, 1) == ()
