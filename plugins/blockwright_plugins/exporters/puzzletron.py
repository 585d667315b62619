"""`puzzletron`: the child as NVIDIA Model-Optimizer's Puzzletron stores its own, one file a sub-block."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from blockwright.child.shared_settings import SHARED_SETTINGS
from blockwright.exporters import ChildLayer, ExportContext, Exported, Exporter, ExporterOptions
from blockwright.plugins import hookimpl
from blockwright_plugins.exporters.refusing import short_windows, unknown_parts

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.sharding import DType, PlannedTensor

ENGINE = "Puzzletron"
FOLDER = "subblocks_safetensors"
LAYER = re.compile(r"model\.layers\.(\d+)\.(\w+)\.")
FILE_OF = {"input_layernorm": "attention", "self_attn": "attention", "post_attention_layernorm": "ffn", "mlp": "ffn"}
ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
SAME_NAMES = (*SHARED_SETTINGS, "head_dim", "rope_parameters", "use_cache")


class PuzzletronOptions(ExporterOptions):
    """`dtype`: how weights are stored; `child` keeps the child's own precision."""

    dtype: Literal["child", "float32", "bfloat16", "float16"] = "child"


class PuzzletronExporter(Exporter):
    """The config of the parent's family, with `block_configs` beside it."""

    name = "puzzletron"
    Options = PuzzletronOptions

    def refuses(self, config: BlockwrightConfig) -> Iterable[str]:
        if family_of(config) is None:
            yield "its biases and norms are those of no family that Puzzletron reads: llama, qwen2, qwen3"
        if getattr(config, "parallel_windows", None):
            yield "some of its layers run in parallel, which Puzzletron has no layout for here"

    def refuses_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        yield from unknown_parts(layer, ENGINE)
        yield from short_windows(layer, config, ENGINE)

    def export(self, context: ExportContext) -> Exported:
        from blockwright.child.checkpoint import copy_companions, planned_tensors, stored_dtype
        from blockwright.models.sharding import write_files

        assert isinstance(self.options, PuzzletronOptions)
        stack = context.stack()
        dtype = stored_dtype(context.child) if self.options.dtype == "child" else self.options.dtype
        write_files(context.directory, by_file(planned_tensors(stack.config)), stack.read, dtype)
        text = json.dumps(config_of(stack.config, dtype), indent=2, sort_keys=True)
        (context.directory / "config.json").write_text(text + "\n")
        copy_companions(context.child, context.directory)
        again = f"blockwright import {shlex.quote(str(context.destination))} --out CHILD"
        return Exported(again, ("Model-Optimizer reads this folder; the command takes it back into Blockwright.",))


def family_of(config: BlockwrightConfig) -> str | None:
    """The model type whose biases and norms the child has."""
    biases = (bool(config.attention_bias), bool(config.attention_output_bias))
    if config.qk_norm:
        return "qwen3" if biases in ((False, False), (True, True)) and not config.mlp_bias else None
    if biases == (True, False):
        return None if config.mlp_bias else "qwen2"
    return "llama" if biases in ((False, False), (True, True)) else None


def config_of(config: BlockwrightConfig, dtype: DType) -> dict[str, object]:
    """The family's own `config.json`; its single sizes are those of the parent."""
    from blockwright.exporting.architecture import parent_of
    from blockwright.exporting.layers import layers_of

    family, parent = family_of(config), layers_of(parent_of(config))[0]
    assert family is not None
    switches = {"attention_bias": bool(config.attention_bias)} if family != "qwen2" else {}
    return {
        **{name: getattr(config, name) for name in SAME_NAMES},
        **switches,
        **({"mlp_bias": bool(config.mlp_bias)} if family == "llama" else {}),
        "architectures": [ARCHITECTURES[family]],
        "block_configs": [block_config(layer) for layer in layers_of(config)],
        "dtype": dtype,
        "intermediate_size": parent.width,
        "model_type": family,
        "num_key_value_heads": parent.kv_heads,
    }


def block_config(layer: ChildLayer) -> Mapping[str, object]:
    """As Puzzletron's own dataclasses are written: a part that is not there has no number."""
    plain = {"replace_with_linear": False, "sparsify": None}
    return {
        "attention": {**plain, "no_op": layer.attention is None, "num_key_value_heads": layer.kv_heads or None},
        "ffn": {**plain, "no_op": layer.ffn is None, "intermediate_size": layer.width or None},
        "parallel_blocks": None,
    }


def by_file(tensors: Iterable[PlannedTensor]) -> dict[str, list[PlannedTensor]]:
    """`block_3_ffn.safetensors` and so on, each with its norm."""
    files: dict[str, list[PlannedTensor]] = {}
    for tensor in tensors:
        files.setdefault(f"{FOLDER}/{_file_of(tensor.name)}.safetensors", []).append(tensor)
    return files


def _file_of(name: str) -> str:
    match = LAYER.match(name)
    if match:
        return f"block_{match[1]}_{FILE_OF[match[2]]}"
    return "embeddings" if name.startswith("model.embed_tokens") else "lm_head"


@hookimpl
def register_exporters() -> list[type[Exporter]]:
    return [PuzzletronExporter]
