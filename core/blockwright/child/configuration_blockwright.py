"""Config of a Blockwright child: a Llama-like decoder whose layers differ.

Self-contained: this file is copied into every child checkpoint and runs there with transformers alone.
"""

import copy

from transformers import PreTrainedConfig

ATTENTION_FREE = "moe"  # the label that transformers 5.23 maps to a layer without cache
RECURRENT = "linear_attention"  # to one that keeps a state of a fixed size
RECURRENT_AND_MEASURED = "hybrid"  # to one that keeps a state, and a count of tokens for the model
WITHOUT_KEYS = (ATTENTION_FREE, RECURRENT, RECURRENT_AND_MEASURED)
AUTO_MAP = {
    "AutoConfig": "configuration_blockwright.BlockwrightConfig",
    "AutoModelForCausalLM": "modeling_blockwright.BlockwrightForCausalLM",
}


class BlockwrightConfig(PreTrainedConfig):
    """A dense decoder with per-layer overrides in transformers' own `per_layer_config`.

    Per-layer keys: `num_key_value_heads`, `intermediate_size`, `sliding_window`, `skip` (a list of "attention" and
    "mlp"), `attention_kind` / `mlp_kind` ("standard", "linear" or a plugin's kind), `attention_options` /
    `mlp_options` (a plugin variant's own options), `attention_has_cache` (False for a plugin's attention that keeps
    no keys and values) and `attention_is_recurrent` (True for one that keeps a state of a fixed size instead, in
    `past_key_values.update_recurrent_state`). `layer_types` says which layers use the window ("sliding_attention").
    `parallel_windows` are [first, last] layers that all read one stream, and whose contributions to it are summed.
    """

    model_type = "blockwright"
    keys_to_ignore_at_inference = ["past_key_values", "cache"]

    def __init__(
        self,
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=None,
        head_dim=None,
        hidden_act="silu",
        max_position_embeddings=2048,
        rms_norm_eps=1e-6,
        initializer_range=0.02,
        rope_parameters=None,
        tie_word_embeddings=False,
        attention_bias=False,
        attention_output_bias=False,
        mlp_bias=False,
        qk_norm=False,
        sliding_window=None,
        layer_types=None,
        attention_kind="standard",
        attention_options=None,
        attention_has_cache=True,
        attention_is_recurrent=False,
        mlp_kind="standard",
        mlp_options=None,
        parallel_windows=None,
        attention_dropout=0.0,
        use_cache=True,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        **kwargs,
    ):
        self.pad_token_id, self.bos_token_id, self.eos_token_id = pad_token_id, bos_token_id, eos_token_id
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_attention_heads if num_key_value_heads is None else num_key_value_heads
        self.head_dim = head_dim or hidden_size // num_attention_heads
        self.hidden_act = hidden_act
        self.max_position_embeddings = max_position_embeddings
        self.rms_norm_eps = rms_norm_eps
        self.initializer_range = initializer_range
        self.rope_parameters = rope_parameters or {"rope_type": "default", "rope_theta": 10000.0}
        self.attention_bias = attention_bias
        self.attention_output_bias = attention_output_bias
        self.mlp_bias = mlp_bias
        self.qk_norm = qk_norm
        self.sliding_window = sliding_window
        self.attention_kind = attention_kind
        self.attention_options = attention_options or {}
        self.attention_has_cache = attention_has_cache
        self.attention_is_recurrent = attention_is_recurrent
        self.mlp_kind = mlp_kind
        self.mlp_options = mlp_options or {}
        self.parallel_windows = _windows(parallel_windows or [], num_hidden_layers)
        self.attention_dropout = attention_dropout
        self.use_cache = use_cache
        self.layer_types = _layer_types(self, layer_types, kwargs.get("per_layer_config"))
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)

    def layer(self, index):
        """A copy for layer `index`: overrides applied, `skip` always there, no window where it is unused."""
        layer_config = copy.copy(self.per_layer_config[index])
        layer_config.skip = list(getattr(layer_config, "skip", []))
        if self.layer_types[index] != "sliding_attention":
            layer_config.sliding_window = None
        return layer_config

    def shares_input(self, index):
        """Whether layer `index` reads the same stream as the layer before it."""
        return any(first < index <= last for first, last in self.parallel_windows)


def _windows(given, layers):
    """Sorted and apart from each other, or a wrong window would run in silence."""
    windows = sorted([int(first), int(last)] for first, last in given)
    ends = [-1, *(end for window in windows for end in window), layers]
    if ends != sorted(set(ends)):
        raise ValueError(f"parallel_windows: {given} are no windows of two layers or more that lie apart in {layers}")
    return windows


def _layer_types(config, given, per_layer_config):
    """Attention-free layers must be labelled, or chunked and padded generation go silently wrong.

    A model without keys and values keeps one layer with a cache for them, which stays empty: transformers measures it.
    """
    overrides = {int(index): values for index, values in (per_layer_config or {}).items()}
    layers = range(config.num_hidden_layers)
    labels = [_label(config, given[index] if given else None, overrides.get(index, {})) for index in layers]
    if labels and set(labels) <= {ATTENTION_FREE, RECURRENT}:
        labels[0] = "full_attention" if labels[0] == ATTENTION_FREE else RECURRENT_AND_MEASURED
    return labels


def _label(config, given, override):
    if "attention" in override.get("skip", []) or not _has_cache(config, override):
        return ATTENTION_FREE
    if override.get("attention_is_recurrent", config.attention_is_recurrent):
        return RECURRENT
    window = override.get("sliding_window", config.sliding_window)
    if window is None:
        return "full_attention"
    return "sliding_attention" if given in (None, *WITHOUT_KEYS) or "sliding_window" in override else given


def _has_cache(config, override):
    is_linear = override.get("attention_kind", config.attention_kind) == "linear"
    return override.get("attention_has_cache", config.attention_has_cache) and not is_linear
