"""What a run has made so far, opened from its folders when it is asked for; nothing here computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.graph.as_dict import from_dict
from blockwright.graph.block_graph import BlockGraph
from blockwright.problem import Joined, Problem
from blockwright.running.integrity import require_whole
from blockwright.scoring import Scores, ScoresOrigin
from blockwright.searching.pricing import Prices, Space
from blockwright.searching.problem_making import Rules, make_problem

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.assembly import Assignment, Variants
    from blockwright.library import Library
    from blockwright.parent import ModelFamily, Parent

PARENT, LIBRARY, SCORES, COSTS, SOLVE, BUILD = (
    "00-parent", "01-library", "02-scores", "03-costs", "04-solve", "05-build",
)  # fmt: skip
BASE, ITERATIONS = "00-base", "iterations"  # of a search in steps: what it goes on from, and the runs before it
EVALUATIONS, TASKS = "evaluations", "tasks.json"  # what was asked of models, kept and as a table


@dataclass(frozen=True)
class RunFiles:
    """Reads a run directory; what a step has not written yet raises FileNotFoundError.

    UserError for a file of a finished step that is no longer what the step wrote.
    """

    directory: Path
    families: Mapping[str, ModelFamily]
    variants: Variants

    @cached_property
    def parent(self) -> Parent:
        from blockwright.parent import describe_parent

        place = Path(str(self.json(f"{PARENT}/parent.json")["directory"]))
        return describe_parent(self.directory / PARENT / place, self.families)

    @cached_property
    def base(self) -> Parent:
        """What the library is made from: the parent, or the healed child of the iteration before."""
        from blockwright.iterating.base import is_base, open_base

        folder = self.directory / BASE / "base"
        return open_base(folder, self.families) if is_base(folder) else self.parent

    @cached_property
    def tokens(self) -> Mapping[str, Tensor]:
        """All token sets, `evaluation` among them, each (sequences, seq)."""
        from safetensors.torch import load_file

        return load_file(require_whole(self.directory, f"{PARENT}/tokens.safetensors"))

    @property
    def training_tokens(self) -> Mapping[str, Tensor]:
        """The sets that the search and the stages may see."""
        return {name: tokens for name, tokens in self.tokens.items() if name != "evaluation"}

    @cached_property
    def library(self) -> Library:
        from blockwright.library import Library, OutlinedLibrary

        if (self.directory / LIBRARY / OutlinedLibrary.FILE).exists():
            return OutlinedLibrary(self.directory / LIBRARY)
        return Library(self.directory / LIBRARY, self.base.source())

    def space(self) -> Space:
        """The variants in the library, by sub-block."""
        return {sub_block: self.library.variants(sub_block) for sub_block in self.library.sub_blocks()}

    def scores(self) -> Mapping[str, Scores]:
        return self.json(f"{SCORES}/scores.json")  # type: ignore[return-value]

    def scores_origin(self) -> ScoresOrigin:
        """Runs of before it was kept had scores in nats."""
        if not (self.directory / SCORES / "origin.json").exists():
            return ScoresOrigin("")
        return ScoresOrigin(**self.json(f"{SCORES}/origin.json"))  # type: ignore[arg-type]

    def prices(self) -> Prices:
        return Prices.from_dict(self.json(f"{COSTS}/costs.json"))

    def prices_by_batch(self) -> dict[int, Prices]:
        """Of the batch sizes that the search may choose."""
        stored = self.json(f"{COSTS}/costs.json")["batches"]
        assert isinstance(stored, dict)
        return {int(batch): Prices.from_dict(prices) for batch, prices in stored.items()}

    def problem(self, prices: Prices, rules: Rules, scores: Mapping[str, Scores] | None = None) -> Problem:
        """What solvers answer: the variants of the library with their scores, or other ones, at these prices."""
        variants = {str(sub_block): {spec.label for spec in specs} for sub_block, specs in self.space().items()}
        return make_problem(self.scores() if scores is None else scores, prices.within(variants), rules)

    def limits(self) -> Mapping[str, float]:
        return self.json(f"{COSTS}/costs.json")["limits"]  # type: ignore[return-value]

    def floors(self) -> Mapping[str, float]:
        return self.json(f"{COSTS}/costs.json")["floors"]  # type: ignore[return-value]

    def assignment(self) -> Assignment:
        """The solution's variants as specs of the library."""
        solution = self.json(f"{SOLVE}/solution.json")["solution"]
        assert isinstance(solution, dict)
        return self.library.assignment(solution["variants"])

    def joined(self) -> Joined:
        """The FFNs that the search has chosen to join, pair by pair."""
        solution = self.json(f"{SOLVE}/solution.json")["solution"]
        assert isinstance(solution, dict)
        return tuple((str(left), str(right)) for left, right in solution.get("joined", ()))

    def graph(self) -> BlockGraph:
        """The child's block graph, as it was built."""
        return from_dict(self.json(f"{BUILD}/graph.json"))

    def built_child(self) -> Path:
        return require_whole(self.directory, f"{BUILD}/child")

    def changes(self) -> list[str]:
        """The transforms and stages that are done, in order."""
        records = (*self.directory.glob("*/transform.json"), *self.directory.glob("*/stage.json"))
        return sorted(record.parent.name for record in records)

    def graph_after(self, step: str | None) -> BlockGraph:
        """The block graph that a transform left; as it was built when there is no step."""
        return self.graph() if step is None else from_dict(self.json(f"{step}/graph.json"))

    def child_after(self, step: str | None) -> Path:
        """The child that a transform or a stage left to go on with; the built one when there is no step."""
        if step is None:
            return self.built_child()
        is_transform = (self.directory / step / "transform.json").exists()
        record = self.json(f"{step}/{'transform' if is_transform else 'stage'}.json")
        return require_whole(self.directory, str(record["child"]))

    def json(self, name: str) -> dict[str, object]:
        record: dict[str, object] = json.loads(require_whole(self.directory, name).read_text())
        return record
