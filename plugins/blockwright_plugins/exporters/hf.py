"""`hf`: the child as a plain Hugging Face folder with its own modelling code, for transformers and all built on it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from blockwright.exporters import ExportContext, Exported, Exporter, ExporterOptions
from blockwright.plugins import hookimpl

if TYPE_CHECKING:
    from blockwright.child.checkpoint import CheckpointSettings


class HFOptions(ExporterOptions):
    """`dtype`: how weights are stored; `child` keeps the child's own precision.

    `shard_bytes`: how large one safetensors file may grow.
    """

    dtype: Literal["child", "float32", "bfloat16", "float16"] = "child"
    shard_bytes: PositiveInt = 4 * 1024**3


class HFExporter(Exporter):
    """Writes every child: `per_layer_config` says how its layers differ, `auto_map` names the code beside it."""

    name = "hf"
    Options = HFOptions

    def export(self, context: ExportContext) -> Exported:
        from blockwright.child.checkpoint import write_checkpoint

        write_checkpoint(context.directory, context.stack(), context.child, self._settings())
        load = f"AutoModelForCausalLM.from_pretrained({str(context.destination)!r}, trust_remote_code=True)"
        command = f"python -c {shlex.quote(f'from transformers import AutoModelForCausalLM; {load}')}"
        return Exported(command, ("Where Blockwright is imported first, `trust_remote_code` is not needed.",))

    def _settings(self) -> CheckpointSettings:
        from blockwright.child.checkpoint import CheckpointSettings

        assert isinstance(self.options, HFOptions)
        dtype = "parent" if self.options.dtype == "child" else self.options.dtype
        return CheckpointSettings(dtype=dtype, shard_bytes=self.options.shard_bytes)


@hookimpl
def register_exporters() -> list[type[Exporter]]:
    return [HFExporter]
