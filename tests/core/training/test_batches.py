from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.errors import UserError
from blockwright.healing.fused_divergence import IGNORED
from blockwright.training.batches import Feed, make_batch
from blockwright.training.distilling import run_model
from blockwright.training.processes import Processes
from blockwright.training.settings import TrainingSettings

CPU = torch.device("cpu")
LENGTHS = (5, 1, 1, 9, 16)  # of the documents in a sequence of 32


def numbered(lengths: Sequence[int]) -> Tensor:
    """Documents numbered along a sequence, (1, seq)."""
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))[None]


@pytest.mark.parametrize("overrides", [{}, {0: {"sliding_window": 4}}], ids=["full", "window"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_packed_batch_gives_what_its_documents_give_alone(
    overrides: Mapping[int, Mapping[str, object]], attention: str
) -> None:
    torch.manual_seed(0)
    config = BlockwrightConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3, per_layer_config={**overrides, 2: {"skip": ["attention"]}},
        attn_implementation=attention,
    )  # fmt: skip
    model = BlockwrightForCausalLM(config).eval()
    tokens = torch.randint(0, 64, (2, 32))
    documents = torch.cat([numbered(LENGTHS), numbered((32,))])  # one sequence of several, one of a single document
    with torch.no_grad():
        packed = run_model(model, make_batch(tokens, documents), []).hidden
        alone = [model.model(part[None]).last_hidden_state[0] for part in tokens[0].split(LENGTHS)]
        whole = model.model(tokens[1:]).last_hidden_state[0]
    assert torch.allclose(packed[0], torch.cat(alone), atol=1e-5)
    assert torch.allclose(packed[1], whole, atol=1e-5)


def test_labels_are_the_next_tokens_of_the_same_document() -> None:
    tokens = torch.arange(10)[None]
    batch = make_batch(tokens, numbered((3, 1, 6)))
    assert batch.labels.tolist() == [[1, 2, IGNORED, IGNORED, 5, 6, 7, 8, 9, IGNORED]]
    assert batch.positions is not None
    assert batch.positions.tolist() == [[0, 1, 2, 0, 0, 1, 2, 3, 4, 5]]


def test_single_documents_keep_the_plainly_causal_path() -> None:
    assert make_batch(torch.zeros(2, 8, dtype=torch.int64), torch.zeros(2, 8, dtype=torch.int64)).positions is None


class Numbers:
    """Sequences whose tokens are their own number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.full((4,), index), torch.zeros(4, dtype=torch.int64)


def taken(step: int, world: int, **settings: object) -> list[int]:
    """The numbers of the sequences that a step takes on all processes."""
    made = TrainingSettings.model_validate({"batch_size": 8, "epochs": 3, **settings})
    feeds = [Feed(Numbers(20), made, Processes(CPU, rank, world), seed=1) for rank in range(world)]
    return sorted(int(row[0]) for feed in feeds for batch in feed.batches(step) for row in batch.tokens)


def test_a_step_takes_the_same_sequences_however_they_are_shared_out() -> None:
    for step in range(1, 8):
        assert taken(step, 1) == taken(step, 1, accumulate=4) == taken(step, 2, accumulate=2) == taken(step, 4)


def test_every_epoch_takes_each_sequence_once_in_an_order_of_its_own() -> None:
    feed = Feed(Numbers(20), TrainingSettings(batch_size=4, epochs=3), Processes(CPU), seed=1)
    assert feed.steps == 15
    order = [int(row[0]) for step in range(1, 16) for batch in feed.batches(step) for row in batch.tokens]
    epochs = [order[:20], order[20:40], order[40:]]
    assert epochs[0] == list(range(20))
    assert all(sorted(epoch) == epochs[0] for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_batch_that_cannot_be_shared_out_is_refused_with_what_to_type() -> None:
    with pytest.raises(UserError, match=r"batch_size 8 cannot be shared out over 3 process.*a multiple of 3"):
        taken(1, 3)


def test_data_of_less_than_a_batch_is_refused() -> None:
    with pytest.raises(UserError, match=r"60 sequences, less than one batch of 64.*lower batch_size"):
        taken(1, 1, batch_size=64)
