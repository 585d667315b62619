"""The dependency matrix is a triangle of cells, one for each pair, with a dot where parts were joined."""

from __future__ import annotations

from xml.etree import ElementTree

from blockwright.report.dependency_map import joinings
from blockwright.report.records import TransformOutcome

PARTS = ("ffn.3", "ffn.4", "ffn.6", "ffn.7")
VALUES = ((0.0, 0.001, 0.1, 0.9), (0.0, 0.0, 0.01, 0.2), (0.0, 0.0, 0.0, 0.3), (0.0, 0.0, 0.0, 0.0))
OUTCOME = TransformOutcome.model_validate(
    {
        "transform": "ffn-fusion",
        "child": "06-ffn-fusion/child",
        "figures": {"into": 1, "decode_ms after": 1, "after": 2, "decode_ms before": 3, "before": 4},
        "joined": [PARTS[:3]],
        "dependencies": [{"parts": PARTS, "values": VALUES}],
        "notes": ["one note"],
    }
)


def test_a_cell_for_each_pair_of_an_earlier_and_a_later_part() -> None:
    (joining,) = joinings({"06-ffn-fusion": OUTCOME})
    (drawn,) = joining.maps
    root = ElementTree.fromstring(str(drawn.svg()))
    titles = [group.findtext("title") for group in root.iter("g")]
    assert len(titles) == 6
    assert titles[0] == "ffn.4 without ffn.3: 0.001, joined"
    assert titles[2] == "ffn.7 without ffn.3: 0.9"
    assert len(list(root.iter("circle"))) == 3
    classes = [rect.get("class") for rect in root.iter("rect")]
    assert (classes[0], classes[2]) == ("h1", "h9")


def test_figures_come_in_pairs_with_the_loss_first() -> None:
    (joining,) = joinings({"06-ffn-fusion": OUTCOME})
    assert list(joining.figures) == ["before", "after", "into", "decode_ms before", "decode_ms after"]


def test_a_large_matrix_has_small_cells_and_fewer_labels() -> None:
    parts = tuple(f"layer.{place}" for place in range(126))
    values = tuple(tuple(0.5 if i < j else 0.0 for j in range(126)) for i in range(126))
    large = OUTCOME.model_copy(
        update={"dependencies": (OUTCOME.dependencies[0].model_copy(update={"parts": parts, "values": values}),)}
    )
    root = ElementTree.fromstring(str(joinings({"06": large})[0].maps[0].svg()))
    assert len(list(root.iter("text"))) == 2 * 63
    assert float(str(root.get("viewBox")).split()[2]) < 900


def test_a_matrix_without_dependencies_is_not_drawn() -> None:
    nothing = OUTCOME.model_copy(update={"dependencies": ()})
    assert joinings({"06": nothing})[0].maps == ()
