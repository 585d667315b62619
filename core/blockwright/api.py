"""The same from Python: `run = blockwright.run("recipe.yaml", "budget.params=60%")`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blockwright.errors import UserError, did_you_mean
from blockwright.evaluating.comparison import Comparison
from blockwright.graph.block_graph import BlockGraph
from blockwright.problem import Solution
from blockwright.running.directory import RunDirectory
from blockwright.running.files import SOLVE, TASKS, RunFiles
from blockwright.seals import DONE

Limits = Mapping[str, object]  # by resource, as a recipe writes them: {"params": "70%"}


@dataclass(frozen=True)
class Run:
    """A run's directory: what it found, built and measured, and answers to other budgets."""

    directory: Path
    files: RunFiles

    @property
    def steps(self) -> dict[str, float]:
        """Finished steps in order, with the seconds that each took."""
        run = RunDirectory(self.directory)
        seconds = {path.parent.name: run.seconds(path.parent.name) for path in sorted(self.directory.glob(f"*/{DONE}"))}
        return {step: value for step, value in seconds.items() if value is not None}

    @property
    def is_dry(self) -> bool:
        """Whether the parent's weights are left out, so that the run ends with the search."""
        from blockwright.library import OutlinedLibrary

        return isinstance(self.files.library, OutlinedLibrary)

    @property
    def solution(self) -> Solution:
        """The child that the search chose; its `seconds` are those of the whole solve step."""
        stored = self.files.json(f"{SOLVE}/solution.json")["solution"]
        assert isinstance(stored, dict)
        unproven = {"bound": -math.inf, "gap": math.inf}
        proof = {name: unproven[name] if stored[name] is None else stored[name] for name in unproven}
        proof["joined"] = self.files.joined()
        return Solution(**{**stored, **proof}, seconds=self.steps[SOLVE])

    @property
    def graph(self) -> BlockGraph:
        """The child's block graph: its sub-blocks with their parameters and KV cache, and how they hang together.

        As the last transform left it.
        """
        transforms = sorted(path.parent.name for path in self.directory.glob("*/transform.json"))
        return self.files.graph_after(transforms[-1] if transforms else None)

    @property
    def transforms(self) -> Mapping[str, Mapping[str, object]]:
        """What each transform joined and what it cost, by step: `figures`, `joined`, `dependencies` and `notes`."""
        records = sorted(self.directory.glob("*/transform.json"))
        return {path.parent.name: self.files.json(f"{path.parent.name}/transform.json") for path in records}

    @property
    def evaluation(self) -> Mapping[str, object]:
        """`predicted` (summed scores, nats per token) beside what `built` and `final` children lose on unseen text."""
        return self.files.json(f"{self._evaluation_step()}/evaluation.json")

    @property
    def comparison(self) -> Comparison | None:
        """What parent, child and what each stage left came to in the recipe's tasks; None where it names none."""
        path = self.directory / self._evaluation_step() / TASKS
        return Comparison.model_validate_json(path.read_bytes()) if path.is_file() else None

    @property
    def child(self) -> Path:
        """The folder of the child that the last transform or stage left."""
        steps = self.files.changes()
        return self.files.child_after(steps[-1] if steps else None)

    def solve(self, limits: Limits) -> Solution:
        """Another budget from the stored scores, in seconds; the run stays as it is."""
        from blockwright.running.resolving import solve_again

        return solve_again(self.files, limits)

    def share(self, folder: str | Path) -> Path:
        """Exports the library and the scores to a new folder, to be searched on another machine."""
        from blockwright.recipes.locations import read_yaml
        from blockwright.sharing.parcel import export_library

        recipe = read_yaml(self.directory / "recipe.yaml")
        assert isinstance(recipe, dict)
        return export_library(self.files, recipe["scorer"], Path(folder))

    def report(self) -> Path:
        """Writes the report and returns its page."""
        from blockwright.report import write_report

        return write_report(self.directory)

    @property
    def exports(self) -> dict[Path, str]:
        """The folders that are ready to serve, each with the command that serves it."""
        found = {path.parent: json.loads(path.read_text()) for path in sorted(self.directory.glob("*/export.json"))}
        return {folder / "export": str(record["command"]) for folder, record in found.items()}

    def _evaluation_step(self) -> str:
        found = sorted(path.parent.name for path in self.directory.glob("*-evaluation/evaluation.json"))
        if not found:
            raise UserError(f"{self.directory}: the run is not evaluated yet; finish it with `blockwright run`")
        return found[-1]


def run(recipe: str | Path, *overrides: str) -> Run:
    """Does all steps that are not done yet; UserError tells all mistakes of the recipe at once."""
    from blockwright.recipes.checking import check_recipe
    from blockwright.running.pipeline import run_checked

    files = run_checked(check_recipe(Path(recipe), overrides))
    return Run(files.directory, files)


def open_run(run: str | Path) -> Run:
    """A run by its folder, or by its name under `runs`."""
    from blockwright.plugins import installed_plugins
    from blockwright.recipes.locations import read_yaml

    directory = next((path for path in (Path(run), Path("runs") / run) if (path / "recipe.yaml").is_file()), None)
    if directory is None:
        known = [path.parent.name for path in Path("runs").glob("*/recipe.yaml")]
        raise UserError(
            f"no run '{run}'{did_you_mean(str(run), known)}" if known else f"no run '{run}'; there is none in runs/"
        )
    if not isinstance(read_yaml(directory / "recipe.yaml"), dict):
        raise UserError(f"{directory / 'recipe.yaml'}:1: is no recipe, so {directory} is no run")
    plugins = installed_plugins()
    return Run(directory, RunFiles(directory, plugins.families, plugins.variants))
