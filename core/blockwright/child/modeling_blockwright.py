"""A dense decoder whose layers differ: fewer KV heads, narrower FFNs, linear or skipped sub-blocks, or a plugin's.

Self-contained: this file is copied into every child checkpoint (auto_map) and runs there with torch and
transformers alone. One class covers the llama, mistral, qwen2 and qwen3 families: biases, QK norm, explicit
head_dim, rope settings and sliding windows are settings of the config.
"""

import inspect
import re
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.cache_utils import DynamicCache
from transformers.generation import GenerationMixin
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, dynamic_rope_update
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import can_return_tuple

from .configuration_blockwright import AUTO_MAP, WITHOUT_KEYS, BlockwrightConfig

MASK_ARGUMENTS = inspect.signature(create_causal_mask).parameters
PADDING = "padding"  # among the masks by window: which tokens are there at all, for recurrent layers
CACHE_ARGUMENT = "cache" if "cache" in MASK_ARGUMENTS else "past_key_values"  # transformers 5.24 has renamed it


class Kinds(dict):
    """Classes of sub-blocks by kind, each made with (layer_config, layer_idx).

    `find` is asked once for a kind that is not here; Blockwright sets it to look among the installed plugins.
    """

    def __init__(self, slot):
        super().__init__()
        self.slot, self.find = slot, None

    def __missing__(self, kind):
        found = None if self.find is None else self.find(self.slot, kind)
        if found is None:
            raise ValueError(
                f"no {self.slot} variant is called '{kind}' here (there is {', '.join(sorted(self))}); install the "
                "Blockwright plugin that brings it, or load the checkpoint's own code with trust_remote_code=True"
            )
        self[kind] = found
        return found


ATTENTION_KINDS = Kinds("attention")
MLP_KINDS = Kinds("ffn")


class RMSNorm(nn.Module):
    """Root mean square norm, computed in float32."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        in_float32 = x.to(torch.float32)
        variance = in_float32.pow(2).mean(-1, keepdim=True)
        return self.weight * (in_float32 * torch.rsqrt(variance + self.eps)).to(x.dtype)


class RotaryEmbedding(nn.Module):
    """Cosines and sines of the rotary positions; every rope type of transformers."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.max_seq_len_cached = self.original_max_seq_len = config.max_position_embeddings
        self.rope_type = config.rope_parameters["rope_type"]
        init = (
            self.compute_default_rope_parameters if self.rope_type == "default" else ROPE_INIT_FUNCTIONS[self.rope_type]
        )
        inv_freq, self.attention_scaling = init(config)
        self.register_buffer("inv_freq", inv_freq, persistent=False)
        self.register_buffer("original_inv_freq", inv_freq.clone(), persistent=False)

    @staticmethod
    def compute_default_rope_parameters(config, device=None, **unused):
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float, device=device) / config.head_dim
        return 1.0 / config.rope_parameters["rope_theta"] ** exponents, 1.0

    @torch.no_grad()
    @dynamic_rope_update
    def forward(self, x, position_ids):
        angles = position_ids[..., None].float() * self.inv_freq.to(x.device)
        angles = torch.cat((angles, angles), dim=-1)  # (batch, seq, head_dim)
        return (angles.cos() * self.attention_scaling).to(x.dtype), (angles.sin() * self.attention_scaling).to(x.dtype)


def rotate(x, cos, sin):
    """Rotates queries or keys, x: (batch, heads, seq, head_dim)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos.unsqueeze(1) + torch.cat((-second, first), dim=-1) * sin.unsqueeze(1)


def mask_of(window, masks):
    """The mask of layers with this sliding window, out of the masks by window; a single mask is itself."""
    return masks.get(window) if isinstance(masks, dict) else masks


class Attention(nn.Module):
    """Grouped-query attention with rotary positions and, where the family has them, biases and QK norm."""

    def __init__(self, config, layer_idx):
        super().__init__()
        heads, kv_heads, head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        self.config, self.layer_idx, self.head_dim = config, layer_idx, head_dim
        self.num_key_value_groups = heads // kv_heads
        self.scaling, self.is_causal, self.sliding_window = head_dim**-0.5, True, config.sliding_window
        self.q_proj = nn.Linear(config.hidden_size, heads * head_dim, bias=config.attention_bias)
        self.k_proj = nn.Linear(config.hidden_size, kv_heads * head_dim, bias=config.attention_bias)
        self.v_proj = nn.Linear(config.hidden_size, kv_heads * head_dim, bias=config.attention_bias)
        self.o_proj = nn.Linear(heads * head_dim, config.hidden_size, bias=config.attention_output_bias)
        self.q_norm = RMSNorm(head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()

    def features(self, x, position_embeddings, attention_mask=None, past_key_values=None, **kwargs):
        """What o_proj reads, (batch, seq, heads * head_dim); the mask is one tensor, or one a window in a dict."""
        attention_mask = mask_of(self.sliding_window, attention_mask)
        shape = (*x.shape[:-1], -1, self.head_dim)
        query = rotate(self.q_norm(self.q_proj(x).view(shape)).transpose(1, 2), *position_embeddings)
        key = rotate(self.k_norm(self.k_proj(x).view(shape)).transpose(1, 2), *position_embeddings)
        value = self.v_proj(x).view(shape).transpose(1, 2)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.config.attention_dropout if self.training else 0.0
        mixed, _ = attend(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=self.scaling,
            sliding_window=self.sliding_window,
            **kwargs,
        )
        return mixed.reshape(*x.shape[:-1], -1).contiguous()

    def forward(self, x, position_embeddings, attention_mask=None, past_key_values=None, **kwargs):
        return self.o_proj(self.features(x, position_embeddings, attention_mask, past_key_values, **kwargs))


def eager_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **unused):
    """Plain attention; shapes (batch, heads, seq, head_dim), returns (batch, seq, heads, head_dim)."""
    key = key.repeat_interleave(module.num_key_value_groups, dim=1)
    value = value.repeat_interleave(module.num_key_value_groups, dim=1)
    weights = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = nn.functional.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


class FFN(nn.Module):
    """Gated FFN: down(act(gate(x)) * up(x))."""

    def __init__(self, config, layer_idx):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.mlp_bias)
        self.act = ACT2FN[config.hidden_act]

    def features(self, x):
        """What down_proj reads, (batch, seq, width)."""
        return self.act(self.gate_proj(x)) * self.up_proj(x)

    def forward(self, x, **unused):
        return self.down_proj(self.features(x))


class LinearBlock(nn.Module):
    """One matrix in place of a whole sub-block (Puzzle, section on linear replacements)."""

    def __init__(self, config, layer_idx):
        super().__init__()
        self.linear = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def features(self, x, *unused, **unused_too):
        """What the matrix reads: the normed input itself."""
        return x

    def forward(self, x, *unused, **unused_too):
        return self.linear(x)


ATTENTION_KINDS.update(standard=Attention, linear=LinearBlock)
MLP_KINDS.update(standard=FFN, linear=LinearBlock)


class DecoderLayer(GradientCheckpointingLayer):
    """x + attention(norm(x)), then x + ffn(norm(x)); a skipped sub-block is None and adds nothing.

    What both add can go onto another stream than the one they read, for layers that run side by side.
    """

    def __init__(self, config, layer_idx):
        super().__init__()
        self.config = layer_config = config.layer(layer_idx)
        self.has_cache = config.layer_types[layer_idx] not in WITHOUT_KEYS and "attention" not in layer_config.skip
        self.input_layernorm = self.self_attn = self.post_attention_layernorm = self.mlp = None
        if "attention" not in layer_config.skip:
            self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
            self.self_attn = ATTENTION_KINDS[layer_config.attention_kind](layer_config, layer_idx)
        if "mlp" not in layer_config.skip:
            self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
            self.mlp = MLP_KINDS[layer_config.mlp_kind](layer_config, layer_idx)

    def attend(self, x, attention_mask=None, **kwargs):
        """What attention adds to the stream x, or None where it is skipped."""
        if self.self_attn is None:
            return None
        mask = mask_of(PADDING if self.config.attention_is_recurrent else self.config.sliding_window, attention_mask)
        return self.self_attn(self.input_layernorm(x), attention_mask=mask, **kwargs)

    def feed(self, x):
        """What the FFN adds to the stream x, or None where it is skipped."""
        return None if self.mlp is None else self.mlp(self.post_attention_layernorm(x))

    def forward(self, x, onto=None, past_key_values=None, cache=None, **kwargs):
        attended = self.attend(x, past_key_values=past_key_values if cache is None else cache, **kwargs)
        middle = x if attended is None else x + attended
        fed = self.feed(middle)
        if onto is not None:
            middle = onto if attended is None else onto + attended
        return middle if fed is None else middle + fed


class BlockwrightPreTrainedModel(PreTrainedModel):
    config_class = BlockwrightConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["DecoderLayer"]
    _skip_keys_device_placement = ["past_key_values", "cache"]
    _supports_flash_attn = _supports_sdpa = _supports_flex_attn = True
    _supports_attention_backend = True

    def set_attn_implementation(self, *args, **kwargs):
        """Per-layer configs are copies, so the choice is carried into every layer."""
        super().set_attn_implementation(*args, **kwargs)
        for module in self.modules():
            if isinstance(getattr(module, "config", None), PreTrainedConfig):
                module.config._attn_implementation = self.config._attn_implementation

    def save_pretrained(self, save_directory, **kwargs):
        """Saves the model with its code, so that the folder still loads where there is no Blockwright."""
        self.config.auto_map = dict(AUTO_MAP)
        super().save_pretrained(save_directory, **kwargs)
        write_code(save_directory, self.config)


class BlockwrightModel(BlockwrightPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, index) for index in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.rotary_emb = RotaryEmbedding(config)
        self.gradient_checkpointing = False
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        output_hidden_states=None,
        cache=None,
        **kwargs,
    ):
        past_key_values = past_key_values if cache is None else cache
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        x = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            seen = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = (torch.arange(x.shape[1], device=x.device) + seen).unsqueeze(0)
        masks = self._masks(x, attention_mask, past_key_values, position_ids)
        position_embeddings = self.rotary_emb(x, position_ids)
        streams, shared = [], x
        for index, layer in enumerate(self.layers):
            streams.append(x)
            beside = self.config.shares_input(index)
            shared = shared if beside else x
            x = layer(
                shared,
                x if beside else None,
                position_embeddings=position_embeddings,
                position_ids=position_ids,
                attention_mask=masks,
                **{CACHE_ARGUMENT: past_key_values},
                **kwargs,
            )
        x = self.norm(x)
        return BaseModelOutputWithPast(
            last_hidden_state=x,
            hidden_states=(*streams, x) if output_hidden_states else None,
            **{CACHE_ARGUMENT: past_key_values if use_cache else None},
        )

    def _masks(self, x, attention_mask, past_key_values, position_ids):
        """A mask for each sliding window (None: no window), measured on a layer that has such a cache; and the
        mask of padding (batch, tokens seen and new), or None, as it came."""
        masks: dict = {PADDING: attention_mask}
        for index, layer in enumerate(self.layers):
            window = layer.config.sliding_window
            if layer.has_cache and window not in masks:
                create = create_causal_mask if window is None else create_sliding_window_causal_mask
                masks[window] = create(
                    config=layer.config,
                    inputs_embeds=x,
                    attention_mask=attention_mask,
                    position_ids=position_ids,
                    layer_idx=index,
                    **{CACHE_ARGUMENT: past_key_values},
                )
        return masks


class BlockwrightForCausalLM(BlockwrightPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config):
        super().__init__(config)
        self.model = BlockwrightModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @staticmethod
    def create_masks_for_generate(attention_mask=None, **unused):
        """Leaves the padding mask as it is: the model makes one mask for each window itself."""
        return attention_mask

    @can_return_tuple
    def forward(self, input_ids=None, labels=None, logits_to_keep=0, **kwargs):
        outputs = self.model(input_ids=input_ids, **kwargs)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept, :])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        cache = {CACHE_ARGUMENT: getattr(outputs, CACHE_ARGUMENT)}
        return CausalLMOutputWithPast(loss=loss, logits=logits, hidden_states=outputs.hidden_states, **cache)


def write_code(directory, config):
    """Copies this file and the config's beside a checkpoint, and those of the variants in use that are not built in."""
    directory, here = Path(directory), Path(__file__)
    config_file = here.with_name("configuration_blockwright.py")
    (directory / config_file.name).write_text(config_file.read_text())
    code = [here.read_text().partition(VARIANTS_BELOW)[0]]
    for slot, kind, found in _variants_in_use(config):
        name = f"variant_{slot}_{re.sub(r'[^0-9a-zA-Z]', '_', kind)}"
        (directory / f"{name}.py").write_text(Path(inspect.getfile(found)).read_text())
        table = "ATTENTION_KINDS" if slot == "attention" else "MLP_KINDS"
        code += [VARIANTS_BELOW] if len(code) == 1 else []
        code.append(f"from .{name} import {found.__name__} as {name}  # noqa: E402\n\n{table}[{kind!r}] = {name}\n")
    (directory / here.name).write_text("".join(code))


def _variants_in_use(config):
    layers = [config.layer(index) for index in range(config.num_hidden_layers)]
    attentions = {layer.attention_kind for layer in layers if "attention" not in layer.skip}
    ffns = {layer.mlp_kind for layer in layers if "mlp" not in layer.skip}
    for table, kinds in ((ATTENTION_KINDS, attentions), (MLP_KINDS, ffns)):
        for kind in sorted(kinds - BUILT_IN):
            yield table.slot, kind, table[kind]


BUILT_IN = {"standard", "linear"}
VARIANTS_BELOW = (
    "\n# The variants of this checkpoint" + " that are not built in:\n"
)  # in two parts, to be found once only

__all__ = ["BlockwrightForCausalLM", "BlockwrightModel", "BlockwrightPreTrainedModel"]
