"""Makes transformers' Auto classes know `model_type: blockwright`, without importing transformers.

`import blockwright` only leaves a watcher on the imports of a few modules. transformers imports its Auto classes in the
middle of importing others, so the model class is registered once none of those that it needs is half-imported.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

AUTO_CONFIG = "transformers.models.auto.configuration_auto"
AUTO_MODEL = "transformers.models.auto.modeling_auto"
CHILD_MODEL = "blockwright.child.modeling_blockwright"
WATCHED = (
    AUTO_CONFIG,
    AUTO_MODEL,
    CHILD_MODEL,
    "transformers.modeling_utils",
    "transformers.modeling_layers",
    "transformers.generation.utils",
)


class _ImportWatcher(importlib.abc.MetaPathFinder):
    """Finds nothing itself: it lets the watched modules tell when they are whole."""

    def __init__(self) -> None:
        self.running: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in WATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            self._watch(spec.loader, fullname)
        return spec

    def _watch(self, loader: importlib.abc.Loader, name: str) -> None:
        execute = loader.exec_module

        def execute_and_tell(module: ModuleType) -> None:
            self.running.add(name)
            try:
                execute(module)
            finally:
                self.running.discard(name)
            self.register_what_is_ready()

        loader.exec_module = execute_and_tell  # type: ignore[method-assign]

    def register_what_is_ready(self) -> None:
        if self._is_whole(AUTO_CONFIG):
            _register_config()
        if self._is_whole(CHILD_MODEL):
            _look_among_plugins()
        if self._is_whole(AUTO_MODEL) and not self.running:
            _register_model()

    def _is_whole(self, name: str) -> bool:
        return name in sys.modules and name not in self.running


_WATCHER = _ImportWatcher()


def register_with_auto_classes() -> None:
    """At once for what is imported already, and later for the rest; calling it again changes nothing."""
    if _WATCHER not in sys.meta_path:
        sys.meta_path.insert(0, _WATCHER)
    _WATCHER.register_what_is_ready()


def _register_config() -> None:
    from transformers.models.auto.configuration_auto import AutoConfig

    from blockwright.child.configuration_blockwright import BlockwrightConfig

    AutoConfig.register(BlockwrightConfig.model_type, BlockwrightConfig, exist_ok=True)


def _register_model() -> None:
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

    AutoModelForCausalLM.register(BlockwrightConfig, BlockwrightForCausalLM, exist_ok=True)


def _look_among_plugins() -> None:
    from blockwright.child.kinds import installed_class
    from blockwright.child.modeling_blockwright import ATTENTION_KINDS, MLP_KINDS

    ATTENTION_KINDS.find = MLP_KINDS.find = installed_class
