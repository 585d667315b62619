"""The breakdown adds up to what the costs say of the whole models."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.report.reading import Record
from blockwright.report.records import BlockPrice, ChildConfig, Costs
from blockwright.report.sizes import breakdowns


def price(parameters: int, kv_bytes: float = 0.0) -> BlockPrice:
    return BlockPrice(
        parameters=parameters, weight_bytes=2.0 * parameters, kv_bytes_per_token=kv_bytes, source="analytic"
    )


COSTS = Costs.model_validate(
    {
        "scenarios": {
            "scenario": {
                "scenario": {"batch": 2, "input_tokens": 30, "output_tokens": 20},
                "blocks": {
                    "attention.0": {"keep": price(100, 8.0), "kv_heads=1": price(70, 4.0), "skip": price(0)},
                    "ffn.0": {"keep": price(300), "narrow=8": price(150)},
                },
                "fixed": price(1010),
            }
        },
        "parent": {"params": 1410.0, "memory": 3620.0},
        "limits": {"params": 1300.0},
    }
)
CHOSEN = {"attention.0": "kv_heads=1", "ffn.0": "narrow=8"}


def test_parts_add_up_to_the_totals_of_a_real_run(finished: Path) -> None:
    record = Record(finished)
    assert record.costs and record.search
    chosen = record.search.solution
    for breakdown in breakdowns(record.costs, chosen.variants, record.child_config):
        assert breakdown.total.parent == pytest.approx(record.costs.parent[breakdown.resource])
        assert breakdown.total.child == pytest.approx(chosen.costs[breakdown.resource])


def test_memory_counts_the_cache_of_all_tokens_of_the_batch() -> None:
    _, memory = breakdowns(COSTS, CHOSEN, None)
    cache = memory.parts[-1]
    assert (cache.name, cache.parent, cache.child, cache.share) == ("KV cache", 800.0, 400.0, 0.5)
    assert memory.total.parent == 3620.0
    assert memory.limit is None


def test_tied_head_is_the_embedding() -> None:
    params, _ = breakdowns(COSTS, CHOSEN, ChildConfig(vocab_size=100, hidden_size=10, tie_word_embeddings=True))
    parts = {part.name: part.child for part in params.parts}
    assert parts == {"embedding, also the head": 1000, "attention": 70, "FFN": 150, "final norm": 10}
    assert params.limit == 1300.0


def test_untied_head_stands_apart_from_the_embedding() -> None:
    params, _ = breakdowns(COSTS, CHOSEN, ChildConfig(vocab_size=50, hidden_size=10, tie_word_embeddings=False))
    assert {part.name: part.child for part in params.parts} == {
        "embedding": 500, "attention": 70, "FFN": 150, "head, final norm": 510,
    }  # fmt: skip


def test_parent_without_a_cache_has_no_share_of_it() -> None:
    main = COSTS.main.model_copy(update={"blocks": {"ffn.0": COSTS.main.blocks["ffn.0"]}})
    free = COSTS.model_copy(update={"scenarios": {"scenario": main}})
    _, memory = breakdowns(free, CHOSEN, None)
    assert memory.parts[-1].share is None
