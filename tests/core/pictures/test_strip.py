"""A child's picture: what is kept of each sub-block, in colour and without, for few layers and for many."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from blockwright.pictures.strip import Strip, strip_of
from blockwright.pictures.svg import strip_html
from blockwright.pictures.terminal import draw_strip
from blockwright.variants import SLOTS

PARAMS = {
    "attention": {"keep": 100, "kv_heads=1": 70, "linear": 33, "skip": 0, "odd(<b>&\"'=1,x=2)": 120},
    "ffn": {"keep": 100, "narrow=768": 50, "narrow=8": 1, "narrow=1500": 99, "linear": 13, "skip": 0},
}


def strip(attention: list[str], ffn: list[str]) -> Strip:
    labels = {"attention": attention, "ffn": ffn}
    chosen = {f"{slot}.{layer}": label for slot in SLOTS for layer, label in enumerate(labels[slot])}
    return strip_of(chosen, {name: PARAMS[name.split(".")[0]] for name in chosen})


SIX = strip(
    ["keep", "kv_heads=1", "linear", "skip", "skip", "odd(<b>&\"'=1,x=2)"],
    ["keep", "narrow=768", "narrow=8", "narrow=1500", "linear", "skip"],
)


def test_cells_know_their_share_and_their_look() -> None:
    assert [cell.look for cell in SIX.attention] == ["kept", "reduced", "linear", "skipped", "skipped", "other"]
    assert [cell.share for cell in SIX.attention] == [1.0, 0.7, 0.33, 0.0, 0.0, 1.2]
    assert SIX.attention[1].sentence == "layer 1, attention: kv_heads=1, 70% of the parent's weights"
    assert SIX.ffn[5].sentence == "layer 5, ffn: skip"


def test_what_has_no_label_is_kept() -> None:
    found = strip_of({"ffn.2": "skip"}, {"ffn.2": {"keep": 9, "skip": 0}})
    assert len(found) == 3
    assert [cell.label for cell in found.attention + found.ffn] == ["keep"] * 5 + ["skip"]


def test_runs_without_attention_are_two_layers_or_more() -> None:
    words = {"s": "skip", "k": "keep", "l": "linear"}
    row = [words[letter] for letter in "sskslsssks"]
    assert strip(row, ["keep"] * 10).attention_free_runs == (range(2), range(5, 8))
    assert strip(["skip"] * 4, ["keep"] * 4).attention_free_runs == (range(4),)
    assert strip(["keep"], ["keep"]).attention_free_runs == ()


def test_the_summary_says_it_in_words() -> None:
    assert SIX.summary == "6 layers: 1 attentions and 1 FFNs as in the parent; no attention in layers 3-4"


def test_the_terminal_shows_a_sign_a_sub_block_without_any_colour() -> None:
    assert draw_strip(SIX).plain.splitlines()[:4] == [
        "layer     0",
        "attention █7/··*",
        "ffn       █519/·",
        "no attn      ‾‾",
    ]
    assert "1-9 tenths kept" in draw_strip(SIX).plain


def test_the_terminal_colours_by_the_share_kept() -> None:
    styles = {span.start: span.style for span in draw_strip(SIX).spans}
    row = draw_strip(SIX).plain.index("ffn       ") + 10
    assert len({styles[row], styles[row + 1], styles[row + 2]}) == 3


@pytest.mark.parametrize("layers", [1, 4, 30, 80, 126, 130])
@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_line_of_signs_is_wider_than_the_terminal_and_every_layer_is_there(layers: int, width: int) -> None:
    lines = draw_strip(strip(["skip"] * layers, ["keep"] * layers), width).plain.splitlines()
    rows = [line for line in lines if line.startswith(("layer ", "attention ", "ffn ", "no attn"))]
    assert max(map(len, rows)) <= max(width, 20)
    assert sum(line.count("█") for line in rows) == layers
    assert sum(line.count("·") for line in rows) == layers


@pytest.mark.parametrize("layers", [0, 1, 4, 30, 80, 130])
def test_the_fragment_is_well_formed_with_a_tooltip_for_every_cell(layers: int) -> None:
    text = strip_html(strip(["skip"] * layers, ["narrow=768"] * layers))
    titles = [element.text or "" for element in ElementTree.fromstring(text).iter() if element.tag.endswith("title")]
    assert sum(title.startswith("layer ") for title in titles) == 2 * layers
    assert any("50% of the parent's weights" in title for title in titles) == (layers > 0)


def test_text_in_the_fragment_is_escaped() -> None:
    text = strip_html(SIX, title="<script>alert('x')</script> & co")
    assert "<script" not in text
    assert "<b>" not in text
    figure = ElementTree.fromstring(text)
    assert next(element.text for element in figure if element.tag == "figcaption") == "<script>alert('x')</script> & co"


def test_bars_are_as_high_as_the_share_kept_and_kinds_are_told_without_colour() -> None:
    text = strip_html(strip(["linear", "skip"], ["narrow=768", "keep"]))
    heights = [
        float(element.attrib["height"])
        for element in ElementTree.fromstring(text).iter()
        if element.attrib.get("fill", "").startswith("#") and "height" in element.attrib
    ]
    assert heights[:2] == [20.0, 40.0]
    assert 'fill="url(#bw-linear-attention)"' in text
    assert 'class="gone"' in text


def test_the_fragment_loads_nothing() -> None:
    text = strip_html(SIX)
    assert text.replace("http://www.w3.org/2000/svg", "").count("http") == 0
    assert "href" not in text


def test_what_transforms_joined_is_bracketed_and_told() -> None:
    joined = strip(["skip"] * 14, ["keep"] * 14).joining(
        [["ffn.0", "ffn.2"], ["ffn.3", "ffn.4"], ["layer.8", "layer.11"]]
    )
    lines = draw_strip(joined, width=20).plain.splitlines()
    assert lines[4:6] == ["fused     └─┘└┘", "parallel          └─"]
    assert lines[10] == "parallel  ─┘"
    assert joined.summary.endswith("; FFNs of layers 0-2, 3-4 run as one; layers 8-11 run side by side")
    root = ElementTree.fromstring(strip_html(joined))
    brackets = [element.get("d") for element in root.iter() if element.get("class") == "joined"]
    assert len(brackets) == 3
