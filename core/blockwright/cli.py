"""The command line: `blockwright run recipe.yaml budget.params=60%`. Flags never mirror the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockwright.cli_data import generate_data
from blockwright.cli_evaluation import evaluate
from blockwright.cli_exports import export, import_model
from blockwright.cli_first_run import doctor, init, schema
from blockwright.cli_hardware import app as hardware_app
from blockwright.cli_plugins import app as plugins_app
from blockwright.cli_serving import bench, chat
from blockwright.terminal.outcomes import reported

app = typer.Typer(
    name="blockwright",
    help="Finds, builds and heals the model that your hardware wants, out of one parent LLM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(hardware_app, name="hardware")
app.add_typer(plugins_app, name="plugins")
app.command()(export)
app.command(name="import")(import_model)
app.command()(bench)
app.command()(chat)
app.command(name="generate-data")(generate_data)
app.command()(evaluate)
app.command()(schema)
app.command()(doctor)
app.command()(init)

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe's YAML file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Replaces keys of the recipe: budget.params=60%", show_default=False),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")]


def _refuse_what_is_no_recipe(recipe: Path, overrides: list[str] | None) -> None:
    """Before the libraries for models are imported, which takes seconds."""
    from blockwright.recipes.reading import read_raw

    read_raw(recipe, overrides or ())


@app.command()
def run(recipe: RecipeFile, overrides: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Does all steps of a recipe that are not done yet; killed, the same command finishes the run."""
    with reported(debug, resumes=True):
        _refuse_what_is_no_recipe(recipe, overrides)
        from blockwright.api import run as run_recipe
        from blockwright.terminal.progress import shown_progress
        from blockwright.terminal.summary import run_summary
        from blockwright.terminal.tables import show

        with shown_progress():
            finished = run_recipe(recipe, *(overrides or ()))
        show(run_summary(finished), as_json)


@app.command()
def check(recipe: RecipeFile, overrides: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Tells all mistakes of a recipe at once, or the plan: variants, steps, estimated time and disk."""
    with reported(debug):
        _refuse_what_is_no_recipe(recipe, overrides)
        from blockwright.recipes.checking import check_recipe
        from blockwright.running.plan import make_plan
        from blockwright.terminal.tables import show

        show(make_plan(check_recipe(recipe, overrides or ())), as_json)


@app.command()
def solve(run: RunName, limits: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Solves for another budget (params=70%) from a run's stored scores; the run itself stays as it is."""
    with reported(debug):
        from blockwright.api import open_run
        from blockwright.running.resolving import read_limits
        from blockwright.terminal.summary import solution_summary
        from blockwright.terminal.tables import show

        opened = open_run(run)
        show(solution_summary(opened, opened.solve(read_limits(limits or ()))), as_json)


@app.command(name="show")
def show_run(run: RunName, as_json: AsJson = False, debug: Debug = False) -> None:
    """Shows a run: its steps, its child's size against the parent's, and what the child lost."""
    with reported(debug):
        from blockwright.api import open_run
        from blockwright.terminal.summary import run_summary
        from blockwright.terminal.tables import show

        show(run_summary(open_run(run)), as_json)


@app.command()
def report(run: RunName, debug: Debug = False) -> None:
    """Writes a run's report and prints where it is."""
    with reported(debug):
        from blockwright.api import open_run

        typer.echo(open_run(run).report())


@app.command()
def compare(
    recipe: RecipeFile,
    overrides: Overrides = None,
    solvers: Annotated[
        str, typer.Option("--solvers", help="By commas; +children and +rounds add parts of the search: highs+rounds")
    ] = "uniform,greedy,highs,highs+children+rounds",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Runs several solvers at one budget on the same library and shows what their children lose on unseen text."""
    with reported(debug, resumes=True):
        from blockwright.comparing.contenders import contenders
        from blockwright.comparing.outcomes import FOLDER
        from blockwright.comparing.outcomes import compare as compare_contenders
        from blockwright.comparing.showing import outcome_summary
        from blockwright.recipes.checking import check_recipe
        from blockwright.terminal.progress import shown_progress
        from blockwright.terminal.tables import show

        checked = check_recipe(recipe, overrides or ())
        chosen = contenders(solvers.split(","), checked.recipe, checked.plugins)
        with shown_progress():
            outcomes = compare_contenders(checked, chosen)
        named = {one.name: one for one in outcomes}
        show(outcome_summary("solver", named, checked.directory / FOLDER, checked.notes), as_json)


@app.command()
def sweep(recipe: RecipeFile, overrides: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Searches at several budgets (budget.params=90%,80%,70%): the front of quality against cost."""
    with reported(debug, resumes=True):
        from blockwright.comparing.contenders import recipes_own
        from blockwright.comparing.outcomes import FOLDER
        from blockwright.comparing.outcomes import sweep as sweep_budgets
        from blockwright.comparing.showing import outcome_summary
        from blockwright.comparing.sweeping import swept_recipes
        from blockwright.terminal.progress import shown_progress
        from blockwright.terminal.tables import show

        budgets = swept_recipes(recipe, overrides or ())
        first = next(iter(budgets.values()))
        with shown_progress():
            outcomes = sweep_budgets(list(budgets.values()), recipes_own(first))
        named = dict(zip(budgets, outcomes, strict=True))
        show(outcome_summary("budget", named, first.directory / FOLDER, first.notes), as_json)


@app.command()
def share(
    run: RunName,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write it; must not be there yet.")],
    debug: Debug = False,
) -> None:
    """Exports a run's library and scores, to be searched elsewhere.

    `blockwright run RECIPE library.shared=FOLDER scorer.name=stored scorer.folder=FOLDER` takes them in.
    """
    with reported(debug):
        from blockwright.api import open_run

        typer.echo(open_run(run).share(folder))


def main() -> None:
    app()
