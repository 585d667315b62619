"""`gguf`: one file of architecture `deci` for llama.cpp and all that is built on it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from blockwright.errors import UserError
from blockwright.exporters import ChildLayer, ExportContext, Exported, Exporter, ExporterOptions
from blockwright.plugins import hookimpl
from blockwright_plugins.exporters.refusing import beyond_llama, no_attention_at_all, short_windows, unknown_parts

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright_plugins.exporters.gguf_tokenizer import GGUFTokenizer

ROPE_TYPES = ("default", "linear", "llama3")
Q8_BLOCK = 32  # values of a row that share a scale


class GGUFOptions(ExporterOptions):
    """`precision`: how matrices are stored; norms and biases are always float32. `q8_0` wants widths in 32s.

    `tokenizer`: `none` writes a file for token ids only. `pre_tokenizer`: llama.cpp's name for the way in which the
    tokenizer splits words, where it cannot be told from the tokenizer itself.
    """

    precision: Literal["f32", "f16", "bf16", "q8_0"] = "f16"
    tokenizer: Literal["child", "none"] = "child"
    pre_tokenizer: str | None = None


class GGUFExporter(Exporter):
    """Every layer has its own head counts and width; one linear map may stand in attention's place."""

    name = "gguf"
    Options = GGUFOptions
    contract_options = ({"precision": "f32", "tokenizer": "none"}, {"precision": "q8_0", "tokenizer": "none"})

    def refuses(self, config: BlockwrightConfig) -> Iterable[str]:
        yield from beyond_llama(config, "llama.cpp", ROPE_TYPES)
        yield from no_attention_at_all(config, "llama.cpp")
        if self._options.precision == "q8_0":
            sizes = {
                "hidden size": config.hidden_size,
                "width of its heads": config.num_attention_heads * config.head_dim,
            }
            for what, size in sizes.items():
                if size % Q8_BLOCK:
                    yield f"q8_0 stores rows in blocks of {Q8_BLOCK}, and its {what} is {size}; take f16"

    def refuses_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        yield from unknown_parts(layer, "llama.cpp", attention=("standard", "linear"))
        yield from short_windows(layer, config, "llama.cpp")
        if self._options.precision == "q8_0" and layer.width % Q8_BLOCK:
            yield f"q8_0 stores rows in blocks of {Q8_BLOCK}, and an FFN has {layer.width} channels"

    def avoids_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        """It can be written: a zero matrix stands in attention's place, and costs its product."""
        if layer.index == 0 and layer.attention is None:
            yield "llama.cpp needs something in the place of the first layer's attention"

    def export(self, context: ExportContext) -> Exported:
        from blockwright_plugins.exporters.gguf_file import write_gguf

        tokenizer = self._tokenizer(context)
        name = f"model-{self._options.precision}.gguf"
        notes = write_gguf(context.directory / name, context.stack(), self._options.precision, tokenizer)
        command = f"llama-server -m {shlex.quote(str(context.destination / name))}"
        return Exported(command, (*notes, *_tokenizer_notes(tokenizer)))

    @property
    def _options(self) -> GGUFOptions:
        assert isinstance(self.options, GGUFOptions)
        return self.options

    def _tokenizer(self, context: ExportContext) -> GGUFTokenizer | None:
        """None where none is asked for; UserError for one that llama.cpp would run otherwise."""
        from blockwright_plugins.exporters.gguf_tokenizer import GGUFTokenizer

        if self._options.tokenizer == "none":
            return None
        tokenizer = GGUFTokenizer(context.child, self._options.pre_tokenizer)
        if tokenizer.refusal:
            reason = f"{tokenizer.refusal}; `tokenizer: none` writes a file for token ids only"
            raise UserError(f"{context.child}: cannot be exported to gguf: {reason}")
        return tokenizer


def _tokenizer_notes(tokenizer: GGUFTokenizer | None) -> Iterator[str]:
    if tokenizer is None:
        yield "It has no tokenizer: give and take token ids."
    else:
        yield f"Words are split as llama.cpp's `{tokenizer.pre_tokenizer}`."


@hookimpl
def register_exporters() -> list[type[Exporter]]:
    return [GGUFExporter]
