"""The files of a run directory as frozen values; keys that the report does not show are passed over."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from blockwright.costs import Scenario
from blockwright.searching.pricing import MAIN


class Record(BaseModel):
    """Base of what steps write."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class BlockPrice(Record):
    """One variant of one sub-block in `costs.json`."""

    parameters: int
    weight_bytes: float
    kv_bytes_per_token: float
    prefill_ms: float | None = None
    decode_ms: float | None = None
    source: str


class ScenarioCosts(Record):
    """Prices in one scenario; `fixed` is embedding, final norm and head together."""

    scenario: Scenario
    blocks: Mapping[str, Mapping[str, BlockPrice]]
    fixed: BlockPrice


class Costs(Record):
    """`03-costs/costs.json`."""

    scenarios: Mapping[str, ScenarioCosts]
    parent: Mapping[str, float]
    limits: Mapping[str, float]

    @property
    def main(self) -> ScenarioCosts:
        """In the recipe's own scenario."""
        return self.scenarios[MAIN]


class Chosen(Record):
    """The solution: one label a sub-block, and the proof in nats per token."""

    variants: Mapping[str, str]
    costs: Mapping[str, float]
    gap: float | None
    status: str


class SearchRound(Record):
    """What the summed scores promised of a child and what it came to, in nats per token on the scoring text."""

    part: str
    radius: int
    changed: int
    predicted: float
    realised: float
    kept: bool


class Search(Record):
    """`04-solve/solution.json`."""

    solution: Chosen
    predicted: float
    realised: float | None
    rounds: tuple[SearchRound, ...]
    gains: Mapping[str, float]
    tokens: int


class Measured(Record):
    """A child beside its parent on text that neither search nor stages have seen."""

    kl_nats_per_token: float
    top1_agreement: float
    parent_perplexity: float
    child_perplexity: float
    tokens: int


class Evaluation(Record):
    """`NN-evaluation/evaluation.json`."""

    predicted: float
    built: Measured
    final: Measured


class Dependencies(Record):
    """How much parts lean on each other: `values[i][j]`, for i before j."""

    parts: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


class TransformOutcome(Record):
    """`NN-TRANSFORM/transform.json`."""

    transform: str
    child: str
    figures: Mapping[str, float]
    joined: tuple[tuple[str, ...], ...]
    dependencies: tuple[Dependencies, ...]
    notes: tuple[str, ...]


class ShownReply(Record):
    """A reply to read, and what each reward gave it."""

    moment: str
    prompt: str
    reply: str
    rewards: Mapping[str, float]


class StageOutcome(Record):
    """`NN-STAGE/stage.json`."""

    stage: str
    child: str
    figures: Mapping[str, float]
    notes: tuple[str, ...]
    curves: Mapping[str, tuple[tuple[int, float], ...]] = {}
    replies: tuple[ShownReply, ...] = ()


class ExportOutcome(Record):
    """`NN-export-TARGET/export.json`."""

    exporter: str
    command: str
    notes: tuple[str, ...]


class ChildConfig(Record):
    """The sizes in the child's `config.json` that its embedding and head have."""

    vocab_size: int
    hidden_size: int
    tie_word_embeddings: bool


class TextRead(Record):
    """A line of the log: how many tokens a source gave to a set."""

    set: str
    source: str
    tokens: int
