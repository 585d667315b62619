"""Times of a model's parts, in place: models of a few layers that hold one variant each, against one of empty layers.

A layer's sub-block is timed with its norm, its residual and its cache, as the child's own classes run it. What is left,
embedding, rotary positions, masks, the loop over layers and the head, is the time of the whole model with every
sub-block skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from blockwright.costs.parts import PlacedVariant
from blockwright.costs.scenario import Work
from blockwright.hardware.timings import Timed, Timings
from blockwright.measuring.timers import Job, Timer, dtype_of
from blockwright.variants import SubBlockShape

if TYPE_CHECKING:
    import torch

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.child.modeling_blockwright import BlockwrightPreTrainedModel

LAYERS = 12  # of a model that times one variant, each with weights of its own
SKIPPED: Mapping[str, object] = {"skip": ["attention", "mlp"]}


def timed_part(part: PlacedVariant, work: Work) -> Timed:
    """The key of a variant's time."""
    return _timed(f"{part.spec.slot} {part.spec.label} of {_shape(part.shape)}", work)


def timed_rest(vocabulary: int, hidden: int, work: Work) -> Timed:
    """The key of what all parts stand in."""
    return _timed(f"rest of {hidden}x{vocabulary}", work)


def measure_parts(
    config: BlockwrightConfig, parts: Iterable[PlacedVariant], works: Sequence[Work], timer: Timer, seconds: float
) -> Timings:
    """Milliseconds of every part in every step, on the timer's device; `seconds` is shared by the steps."""
    measured: dict[Timed, float] = {}
    wanted = [part for part in dict.fromkeys(parts) if part.spec.kind != "skip"]
    for work in works:
        measured |= _measured(config, wanted, work, timer, seconds / len(works))
    return measured


def _measured(
    config: BlockwrightConfig, parts: Sequence[PlacedVariant], work: Work, timer: Timer, seconds: float
) -> Timings:
    device = timer.device
    jobs: dict[Timed | None, Job] = {None: step_job(_body([SKIPPED] * LAYERS, config, device), work, device)}
    for part in parts:
        jobs[timed_part(part, work)] = step_job(_body([_alone(part)] * LAYERS, config, device), work, device)
    rest = timed_rest(config.vocab_size, config.hidden_size, work)
    jobs[rest] = step_job(_whole([SKIPPED] * config.num_hidden_layers, config, device), work, device)
    times = timer.measure(jobs, seconds)
    empty = times.pop(None)
    return {timed: ms if timed == rest else max(0.0, (ms - empty) / LAYERS) for timed, ms in times.items() if timed}


def step_job(model: BlockwrightPreTrainedModel, work: Work, device: str) -> Job:
    """One step of a model: a prompt from an empty cache, or one token a sequence on a cache that is full before it."""
    import torch
    from transformers import DynamicCache

    generator = torch.Generator().manual_seed(0)
    new = _inputs(model, work.sequences, work.tokens, generator, device)
    if work.phase == "prefill":
        return Job(lambda: model(**new, use_cache=True, **_last_only(model)))
    cache = DynamicCache(config=model.config)
    seen = work.kv_tokens - work.tokens
    with torch.inference_mode():
        model(**_inputs(model, work.sequences, seen, generator, device), past_key_values=cache, use_cache=True)
    positions = torch.full((work.sequences, 1), seen, device=device)

    def run() -> object:
        return model(**new, past_key_values=cache, position_ids=positions, use_cache=True, **_last_only(model))

    return Job(run, reset=lambda: _crop(cache, seen))


def _inputs(
    model: BlockwrightPreTrainedModel, sequences: int, tokens: int, generator: torch.Generator, device: str
) -> dict[str, torch.Tensor]:
    """Random tokens for a whole model, a random stream for a body."""
    import torch

    if hasattr(model, "lm_head"):
        shape = (sequences, tokens)
        return {"input_ids": torch.randint(model.config.vocab_size, shape, generator=generator).to(device)}
    stream = torch.randn(sequences, tokens, model.config.hidden_size, generator=generator)
    return {"inputs_embeds": stream.to(device, dtype_of(device))}


def _last_only(model: BlockwrightPreTrainedModel) -> dict[str, int]:
    return {"logits_to_keep": 1} if hasattr(model, "lm_head") else {}


def _crop(cache: object, length: int) -> None:
    """Back to what was seen before the step; layers without a cache have nothing to crop."""
    for layer in cache.layers:  # type: ignore[attr-defined]
        if getattr(layer, "keys", None) is not None and layer.keys.numel() and layer.keys.shape[-2] > length:
            layer.keys, layer.values = layer.keys[..., :length, :], layer.values[..., :length, :]


def _body(layers: Sequence[Mapping[str, object]], config: BlockwrightConfig, device: str) -> BlockwrightPreTrainedModel:
    from blockwright.child.modeling_blockwright import BlockwrightModel

    return _made(BlockwrightModel, _config(config, layers, vocabulary=8), device)


def _whole(
    layers: Sequence[Mapping[str, object]], config: BlockwrightConfig, device: str
) -> BlockwrightPreTrainedModel:
    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

    return _made(BlockwrightForCausalLM, _config(config, layers, config.vocab_size), device)


def whole_model(
    config: BlockwrightConfig, layers: Sequence[Sequence[PlacedVariant]], device: str
) -> BlockwrightPreTrainedModel:
    """A model of random weights with the given variants in each layer; a slot that none is given for is skipped."""
    return _whole([_together(parts) for parts in layers], config, device)


def model_config(config: BlockwrightConfig, layers: Sequence[Sequence[PlacedVariant]]) -> BlockwrightConfig:
    """Of such a model, its special tokens left out."""
    return _config(config, [_together(parts) for parts in layers], config.vocab_size)


def _together(parts: Sequence[PlacedVariant]) -> Mapping[str, object]:
    kept = [part for part in parts if part.spec.kind != "skip"]
    overrides: dict[str, object] = {}
    for part in kept:
        overrides |= part.variant.layer_config(part.spec, part.shape)
    slots = {part.spec.slot for part in kept}
    skipped = [name for slot, name in (("attention", "attention"), ("ffn", "mlp")) if slot not in slots]
    return overrides | ({"skip": skipped} if skipped else {})


def _alone(part: PlacedVariant) -> Mapping[str, object]:
    return _together([part])


def _config(config: BlockwrightConfig, layers: Sequence[Mapping[str, object]], vocabulary: int) -> BlockwrightConfig:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

    kept = {name: value for name, value in config.to_dict().items() if name not in ("per_layer_config", "layer_types")}
    overrides = {index: dict(layer) for index, layer in enumerate(layers) if layer}
    sizes = {"num_hidden_layers": len(layers), "vocab_size": vocabulary, "per_layer_config": overrides}
    tokens = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
    made = BlockwrightConfig(**{**kept, **sizes, **tokens})
    made._attn_implementation = "sdpa"
    return made


def _made(kind: type[BlockwrightPreTrainedModel], config: BlockwrightConfig, device: str) -> BlockwrightPreTrainedModel:
    import torch

    torch.manual_seed(0)
    model = kind(config)
    torch.nn.Module.to(model, torch.device(device), dtype_of(device))
    model.eval().requires_grad_(False)
    return model


def _timed(part: str, work: Work) -> Timed:
    return Timed(part, work.weights, work.phase, work.sequences, work.tokens, work.kv_tokens)


def _shape(shape: SubBlockShape) -> str:
    """`576: 9 heads of 64, 3 KV`, or `576: 1536 channels`."""
    extras = [name for name in ("qkv_bias", "output_bias", "ffn_bias", "qk_norm") if getattr(shape, name)]
    sizes = (
        f"{shape.attention_heads} heads of {shape.head_dim}, {shape.kv_heads} KV"
        if shape.slot == "attention"
        else f"{shape.ffn_width} channels"
    )
    return " ".join([f"{shape.hidden_size}: {sizes}", *extras])
