"""Good files, changed at random by hypothesis: read as what they then are, or refused in a line; never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Attempt = Callable[..., tuple[int, str]]
EACH = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = st.sampled_from(
    ["", "~", "[]", "{}", "{a: b}", "-1", "0", "1e999", ".nan", "99999999999999999999", "true", "'<b>'", "../..", "/",
     "'\\'", "&a", "*a", "!!binary x", "? ", "${name}", "0x7fffffff", "2024-01-01", "[[[[1]]]]", "|", "\u202e", "🚀"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
PROFILE = """\
name: mine
description: of a test
memory_gib: 8
bandwidth_gb_s: 100
peak_tflops: {bf16: 10, fp32: 5}
memory_fraction: 0.9
efficiency:
  gemm: {}
"""
SPACE = """\
name: mine
attention: [keep, {kv_heads: 1}, linear, skip]
ffn: [keep, {narrow: 50%}, skip]
except:
  - {layers: first, forbid: skip}
  - {layers: [-2, -1], ffn: [keep]}
"""


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """One to three lines lost, doubled, moved in or out, or with another value."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        changes = [
            [],
            [line, line],
            [f"  {line}"],
            [line.lstrip()],
            [f"{line.partition(':')[0]}: {draw(WORDS)}"],
            [f"{line} {draw(WORDS)}"],
            [line[: draw(st.integers(0, len(line)))]],
        ]
        lines[place : place + 1] = draw(st.sampled_from(changes))
        lines = lines or [""]
    return "\n".join(lines)


def told_or_taken(answer: tuple[int, str]) -> None:
    code, told = answer
    assert code in (0, 2), told
    assert told.strip()


@EACH
@given(data=st.data())
def test_recipes(data: st.DataObject, recipe: Path, attempt: Attempt) -> None:
    good = recipe.with_name("good.yaml")
    if not good.exists():
        good.write_text(recipe.read_text())
    recipe.write_text(data.draw(mutated(good.read_text())))
    told_or_taken(attempt("check", recipe))


@EACH
@given(text=mutated(SPACE))
def test_spaces(text: str, recipe: Path, tmp_path: Path, attempt: Attempt) -> None:
    (tmp_path / "space.yaml").write_text(text)
    told_or_taken(attempt("check", recipe, f"space={tmp_path / 'space.yaml'}"))


@EACH
@given(text=mutated(PROFILE))
def test_profiles(text: str, tmp_path: Path, attempt: Attempt) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    told_or_taken(attempt("hardware", "show", tmp_path / "mine.yaml"))


@EACH
@given(data=st.data())
def test_configs(data: st.DataObject, recipe: Path, checkpoint: Path, config: dict[str, Any], attempt: Attempt) -> None:
    changed = {name: data.draw(JSON) for name in data.draw(st.sets(st.sampled_from(sorted(config)), min_size=1))}
    (checkpoint / "config.json").write_text(json.dumps({**config, **changed}))
    told_or_taken(attempt("check", recipe, f"parent.model={checkpoint}"))
