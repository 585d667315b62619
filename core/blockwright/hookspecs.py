"""The hooks that a plugin may implement, in the order in which a run needs them.

A plugin is a module that an installed package names in the entry point group `blockwright`. It implements any of these
functions and marks them with `@blockwright.hookimpl`. Hooks return classes and are called once, when the plugins are
loaded; importing a plugin must be quick, so torch and transformers belong inside the functions that need them.

All hooks are optional, and what all plugins return is collected: nobody replaces anybody. Two plugins that bring
the same name clash; the one that was loaded second is listed as broken, with the name of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from blockwright.costs import CostModel
    from blockwright.engines import Engine
    from blockwright.events import Event
    from blockwright.executors import Executor
    from blockwright.exporters import Exporter
    from blockwright.parent import ModelFamily
    from blockwright.post_training.rewards import Reward
    from blockwright.problem import Solver
    from blockwright.resources import Resources
    from blockwright.scoring import Scorer
    from blockwright.stages import Stage
    from blockwright.transforms import Transform
    from blockwright.variants import BlockVariant

hookspec = pluggy.HookspecMarker("blockwright")


@hookspec
def register_resources() -> list[Resources]:
    """Folders of YAML files that recipes may name: search spaces and hardware profiles.

    Implemented by packages that ship such files. A file's stem is its name: `spaces/tiny.yaml` is the space `tiny`.

    :returns: A list of :class:`blockwright.resources.Resources`, one a folder.
    """


@hookspec
def register_model_families() -> list[type[ModelFamily]]:
    """Readers of one Hugging Face architecture each, found by the `model_type` of a parent's `config.json`.

    Implemented by packages that make a new architecture a possible parent.

    :returns: A list of subclasses of :class:`blockwright.parent.ModelFamily`.
    """


@hookspec
def register_block_variants() -> list[type[BlockVariant]]:
    """Replacements for a sub-block, found by their slot (`attention`, `ffn`) and by the word in a search space.

    Implemented by packages that bring a new kind of attention or FFN. A variant says what it weighs, builds its own
    weights and, where the child class does not know it, names the torch module that runs it.

    :returns: A list of subclasses of :class:`blockwright.variants.BlockVariant`.
    """


@hookspec
def register_scorers() -> list[type[Scorer]]:
    """Ways to say what one replacement loses, in nats per token; the recipe's `scorer.name`.

    :returns: A list of subclasses of :class:`blockwright.scoring.Scorer`.
    """


@hookspec
def register_cost_models() -> list[type[CostModel]]:
    """Ways to say what a sub-block costs in a scenario; the recipe's `cost_model.name`.

    :returns: A list of subclasses of :class:`blockwright.costs.CostModel`.
    """


@hookspec
def register_solvers() -> list[type[Solver]]:
    """Searches for the best child within the budget; the recipe's `solver.name`.

    :returns: A list of subclasses of :class:`blockwright.problem.Solver`.
    """


@hookspec
def register_transforms() -> list[type[Transform]]:
    """Changes of a whole child's shape after the search, in the order in which the recipe's `transforms` list them.

    Implemented by packages that join sub-blocks, set them side by side or otherwise rewrite the block graph, before
    any stage heals the child.

    :returns: A list of subclasses of :class:`blockwright.transforms.Transform`.
    """


@hookspec
def register_stages() -> list[type[Stage]]:
    """Steps that make a better child of a child, in the order in which the recipe's `stages` list them.

    :returns: A list of subclasses of :class:`blockwright.stages.Stage`.
    """


@hookspec
def register_rewards() -> list[type[Reward]]:
    """Rules that say what a reply is worth, for the stages that learn from their own samples (`grpo`, `rloo`).

    Named in such a stage's `rewards`, where each has a weight and its own options.

    :returns: A list of subclasses of :class:`blockwright.post_training.rewards.Reward`.
    """


@hookspec
def register_exporters() -> list[type[Exporter]]:
    """Writers of finished children for a serving engine; the names in the recipe's `exports`.

    Asked before a search for what their engine cannot run, and after it for a folder that is ready to serve.

    :returns: A list of subclasses of :class:`blockwright.exporters.Exporter`.
    """


@hookspec
def register_engines() -> list[type[Engine]]:
    """Serving engines that `blockwright bench` and `blockwright hardware measure` time models in; their `--engine`.

    An engine reads the folder of one exporter, runs a prompt and some decoding steps, and tells how long they took.

    :returns: A list of subclasses of :class:`blockwright.engines.Engine`.
    """


@hookspec
def register_executors() -> list[type[Executor]]:
    """Places where the tasks of a run are done, such as other processes or a cluster; the recipe's `executor.name`.

    Asked for the tasks of the library, the scores and the children; what they are is the run's matter.

    :returns: A list of subclasses of :class:`blockwright.executors.Executor`.
    """


@hookspec
def observe(event: Event) -> None:
    """Told everything that happens in a run, as it happens: progress, figures, decisions.

    Implemented by experiment trackers and progress displays. It is called often and in the run's own thread, so it
    should return at once. An observer that raises is not called again in that run, and the run goes on.

    :param event: A past-tense word with fields, as in :class:`blockwright.events.Event`.
    """
