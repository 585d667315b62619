"""Scores of joins are measured: the parent with two FFNs side by side against the same in a row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from blockwright.child.assembly import assemble
from blockwright.fusion.runs import joined_runs, sketch_layers
from blockwright.fusion.weights import fuse
from blockwright.library import Library
from blockwright.models.divergence import Reference
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.problem import Join
from blockwright.searching.join_scoring import rescore_joins, score_joins
from blockwright.variants import SubBlock, VariantSpec

NARROW = VariantSpec("ffn", "narrow", (("width", 30),))
JOINS = [Join(f"ffn.{at}", f"ffn.{at + 1}", {f"attention.{at + 1}": frozenset(["skip"])}, 0.0, {}) for at in (0, 1)]


def test_a_join_scores_what_fusing_the_two_ffns_adds_to_the_loss(
    parent: Parent, library: Library, plugins: Plugins, unseen: torch.Tensor, tmp_path: Path
) -> None:
    scored = score_joins(parent.stack(), unseen, JOINS, tmp_path)
    judge = Reference(parent.stack(), unseen)
    for layer, join in enumerate(scored):
        skipped = {SubBlock(layer + 1, "attention"): VariantSpec("attention", "skip")}
        child = assemble(parent, library, skipped, plugins.variants)
        fused = fuse(child, joined_runs(sketch_layers(child.config), ((join.left, join.right),)))
        assert join.score == pytest.approx(judge.divergence(fused) - judge.divergence(child), rel=1e-3)
        assert join.score != 0


def test_what_was_measured_before_a_kill_is_not_measured_again(
    parent: Parent, unseen: torch.Tensor, tmp_path: Path
) -> None:
    (tmp_path / "joins.json").write_text(json.dumps({"ffn.0": 0.125}))
    first, second = score_joins(parent.stack(), unseen[:2], JOINS, tmp_path)
    assert first.score == 0.125
    assert json.loads((tmp_path / "joins.json").read_text()) == {"ffn.0": 0.125, "ffn.1": second.score}


def test_in_a_child_that_could_make_it_a_join_scores_what_fusing_there_adds(
    parent: Parent, library: Library, plugins: Plugins, unseen: torch.Tensor
) -> None:
    judge = Reference(parent.stack(), unseen)
    variants = {SubBlock(1, "attention"): VariantSpec("attention", "skip"), SubBlock(2, "ffn"): NARROW}
    child = assemble(parent, library, variants, plugins.variants)
    scored, kept = rescore_joins(judge, child, [replace(join, score=9.0) for join in JOINS])
    fused = fuse(child, joined_runs(sketch_layers(child.config), ((scored.left, scored.right),)))
    assert scored.score == pytest.approx(judge.divergence(fused) - judge.divergence(child), rel=1e-3)
    assert kept.score == 9.0, "its attention is there, so it cannot be measured in this child"
