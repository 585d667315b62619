"""What `blockwright bench` was asked for, from names to things: engine, child, and the cost models beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

from blockwright.benching.bench import Benched, bench_child
from blockwright.benching.profiles import open_profile
from blockwright.benching.recording import record_in_engine, save_parts
from blockwright.benching.rounds import Workbench
from blockwright.costs import CostModel
from blockwright.engines import Engine, EngineSettings, Load
from blockwright.errors import UserError, did_you_mean
from blockwright.exporting.requests import find_child
from blockwright.hardware.files import find_profile, read_profile
from blockwright.hardware.profile import HardwareProfile
from blockwright.measuring.recording import Recorded
from blockwright.plugins import installed_plugins
from blockwright.precision import Precision

if TYPE_CHECKING:
    from blockwright.measuring.whole_models import Target


@dataclass(frozen=True)
class Request:
    """As typed. `profile` is what to predict with; `save` gains times of parts, of `target`'s variants where given."""

    child: str
    engine: str
    settings: EngineSettings = field(default_factory=EngineSettings)
    load: Load = field(default_factory=Load)
    rounds: int = 5
    profile: str | None = None
    save: Path | None = None
    target: Target | None = None


def bench_named(request: Request) -> Benched:
    """Measures, saves where asked to, and predicts; UserError for names that are none, before anything is timed."""
    engine = make_engine(request.engine, request.settings)
    engine.version()  # says at once that it is not here
    child, _ = find_child(request.child)
    costs = _costs(request)
    if request.save is not None:
        open_profile(request.save, engine)
    with TemporaryDirectory(prefix="blockwright-bench-") as folder:
        bench = Workbench(engine, Path(folder), request.rounds)
        if request.save is not None:
            saved = save_parts(bench, request.save, child, request.load, request.target)
            costs[f"measured, {saved.name}"] = installed_plugins().cost_model("measured")(saved)
        return bench_child(bench, child, request.load, costs)


@dataclass(frozen=True)
class Installed:
    """Where an engine is, with how many threads it runs, and how often it times each model."""

    folder: Path | None = None
    threads: int = 1
    rounds: int = 5


def record_named(out: Path, engine: str, installed: Installed, target: Target | None) -> Recorded:
    """`blockwright hardware measure --engine`: in the precision of the target's scenarios; UserError without target."""
    if target is None:
        raise UserError("--engine: times the variants of a recipe; add --recipe RECIPE")
    settings = EngineSettings(installed.folder, installed.threads, target.scenarios[0].weights)
    with TemporaryDirectory(prefix="blockwright-measure-") as folder:
        bench = Workbench(make_engine(engine, settings), Path(folder), installed.rounds)
        return record_in_engine(bench, out, target)


def read_settings(folder: Path | None, threads: int, precision: str | None) -> EngineSettings:
    """As typed; UserError for a precision that is none."""
    known: tuple[Precision, ...] = get_args(Precision)
    chosen = next((one for one in known if one == precision), None)
    if precision is not None and chosen is None:
        raise UserError(f"--precision: no precision is called '{precision}'{did_you_mean(precision, known)}")
    return EngineSettings(folder, threads, chosen)


def make_engine(name: str, settings: EngineSettings) -> Engine:
    """The installed engine of that name; UserError with the nearest one."""
    return installed_plugins().engine(name)(settings)


def _costs(request: Request) -> dict[str, CostModel]:
    """The cost model of the profile that was named, or of the run's own recipe; none for a lone child's folder."""
    if request.profile is not None:
        return _of_profile(read_profile(find_profile(request.profile)))
    recipe = Path(request.child) / "recipe.yaml"
    recipe = recipe if recipe.is_file() else Path("runs") / request.child / "recipe.yaml"
    return _of_recipe(recipe) if recipe.is_file() else {}


def _of_profile(profile: HardwareProfile) -> dict[str, CostModel]:
    """Times of whole parts where it has them, and its tables or its peaks."""
    plugins, best = installed_plugins(), CostModel(profile)
    found: dict[str, CostModel] = {}
    if profile.timings:
        found[f"measured, {profile.name}"] = plugins.cost_model("measured")(profile)
    return {**found, f"{best.name}, {profile.name}": best}


def _of_recipe(recipe: Path) -> dict[str, CostModel]:
    """As the recipe prices; none for one without hardware, or whose profile is not where it was."""
    from blockwright.recipes.locations import read_yaml
    from blockwright.recipes.plugin_sections import make_cost_model

    data = read_yaml(recipe)
    if not isinstance(data, dict) or data.get("hardware") is None:
        return {}
    model, _ = make_cost_model(installed_plugins().cost_models, data, recipe.parent)
    if model is None or model.hardware is None:
        return {}
    return {f"{model.name}, {model.hardware.name}": model}
