"""`vllm`: the child as a Nemotron-NAS checkpoint, which stock vLLM runs with all its layers apart."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from blockwright.exporters import ChildLayer, ExportContext, Exported, Exporter, ExporterOptions
from blockwright.plugins import hookimpl
from blockwright_plugins.exporters.refusing import beyond_llama, no_attention_at_all, short_windows, unknown_parts

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


class VLLMOptions(ExporterOptions):
    """`dtype`: how weights are stored; `child` keeps the child's own precision.

    `tensor_parallel`: GPUs that share a layer; heads and widths must be divided among them. `width_multiple`: FFN
    widths that a kernel asks for, such as 256; any width runs. `shard_bytes`: how large one file may grow.
    """

    dtype: Literal["child", "float32", "bfloat16", "float16"] = "child"
    tensor_parallel: PositiveInt = 1
    width_multiple: PositiveInt = 1
    shard_bytes: PositiveInt = 4 * 1024**3


class VLLMExporter(Exporter):
    """DeciLM `block_configs`: attentions with any KV heads, FFNs of any width, and parts that are not there."""

    name = "vllm"
    Options = VLLMOptions

    def refuses(self, config: BlockwrightConfig) -> Iterable[str]:
        yield from beyond_llama(config, "vLLM")
        yield from no_attention_at_all(config, "vLLM")
        gpus = self._options.tensor_parallel
        if config.num_attention_heads % gpus:
            yield f"{config.num_attention_heads} attention heads cannot be divided among {gpus} GPUs"

    def refuses_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        yield from unknown_parts(layer, "vLLM")
        yield from short_windows(layer, config, "vLLM")
        yield from self._indivisible(layer)

    def avoids_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        """vLLM crashes where no attention starts the stream; a zero one can stand there, and costs what one costs."""
        if layer.index == 0 and layer.attention is None:
            yield "vLLM needs an attention in the first layer"

    def export(self, context: ExportContext) -> Exported:
        from blockwright.child.checkpoint import copy_companions, stored_dtype
        from blockwright.models.sharding import write_sharded
        from blockwright_plugins.exporters.decilm import config_of, planned, write_config, zero_attention

        stack, options = context.stack(), self._options
        dtype = stored_dtype(context.child) if options.dtype == "child" else options.dtype
        added = zero_attention(stack.config)
        write_sharded(
            context.directory,
            list(planned(stack.config, added)),
            lambda name: added[name] if name in added else stack.read(name),
            dtype,
            options.shard_bytes,
        )
        write_config(context.directory, config_of(stack.config, dtype))
        copy_companions(context.child, context.directory)
        return Exported(self._command(context), tuple(_notes(dtype, bool(added))))

    @property
    def _options(self) -> VLLMOptions:
        assert isinstance(self.options, VLLMOptions)
        return self.options

    def _indivisible(self, layer: ChildLayer) -> Iterator[str]:
        gpus, multiple = self._options.tensor_parallel, self._options.width_multiple
        if layer.kv_heads % gpus and gpus % max(layer.kv_heads, 1):
            yield f"{layer.kv_heads} KV heads cannot be divided among {gpus} GPUs"
        if layer.width % gpus:
            yield f"an FFN of {layer.width} channels cannot be divided among {gpus} GPUs"
        if layer.width % multiple:
            yield f"an FFN of {layer.width} channels is no multiple of {multiple}"

    def _command(self, context: ExportContext) -> str:
        gpus = self._options.tensor_parallel
        shared = f" --tensor-parallel-size {gpus}" if gpus > 1 else ""
        return f"vllm serve {shlex.quote(str(context.destination))}{shared}"


def _notes(dtype: str, has_zero_attention: bool) -> Iterator[str]:
    yield "Install blockwright beside vLLM; without it add `--trust-remote-code`, which reads configuration_decilm.py."
    if dtype == "float32":
        yield "It is stored in float32, which vLLM rounds to 16 bits unless it is told `--dtype float32`."
    if has_zero_attention:
        yield "The child begins without attention: an attention of one KV head whose output is zero stands there."


@hookimpl
def register_exporters() -> list[type[Exporter]]:
    return [VLLMExporter]
