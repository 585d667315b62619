"""Config of a Blockwright child: a Llama-like decoder whose layers differ.

Self-contained: this file is copied into every child checkpoint and runs there with transformers alone.
"""

from transformers import PreTrainedConfig

ATTENTION_FREE = "moe"  # the label that transformers 5.23 maps to a layer without cache


class BlockwrightConfig(PreTrainedConfig):
    """A dense decoder with per-layer overrides in transformers' own `per_layer_config`.

    Per-layer keys: `num_key_value_heads`, `intermediate_size`, `skip` (a list of "attention" and "mlp"),
    `attention_kind` / `mlp_kind` ("standard", "linear" or a plugin's kind) and
    `attention_options` / `mlp_options` (a plugin variant's own options).
    """

    model_type = "blockwright"
    keys_to_ignore_at_inference = ["past_key_values"]

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
        mlp_kind="standard",
        mlp_options=None,
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
        self.mlp_kind = mlp_kind
        self.mlp_options = mlp_options or {}
        self.attention_dropout = attention_dropout
        self.use_cache = use_cache
        self.layer_types = layer_types or _layer_types(num_hidden_layers, sliding_window, kwargs.get("per_layer_config"))
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)

    def layer(self, index):
        """The config of layer `index` with its overrides applied; `skip` is always there."""
        layer_config = self.per_layer_config[index]
        if not hasattr(layer_config, "skip"):
            layer_config.skip = []
        return layer_config


def _layer_types(layers, sliding_window, per_layer_config):
    """Attention-free layers must be labelled, or chunked and padded generation go silently wrong."""
    overrides = {int(index): values for index, values in (per_layer_config or {}).items()}
    attends = "full_attention" if sliding_window is None else "sliding_attention"

    def label(index):
        override = overrides.get(index, {})
        has_no_cache = "attention" in override.get("skip", []) or override.get("attention_kind") == "linear"
        return ATTENTION_FREE if has_no_cache else attends

    return [label(index) for index in range(layers)]
