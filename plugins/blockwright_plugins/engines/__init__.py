"""The engines that `blockwright bench` drives, one file each."""

from __future__ import annotations

from blockwright.engines import Engine
from blockwright.plugins import hookimpl


@hookimpl
def register_engines() -> list[type[Engine]]:
    from blockwright_plugins.engines.llama_cpp import LlamaCppEngine
    from blockwright_plugins.engines.torch_loop import TorchEngine
    from blockwright_plugins.engines.vllm_process import VLLMEngine

    return [TorchEngine, LlamaCppEngine, VLLMEngine]
