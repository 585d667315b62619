"""Config of Nemotron-NAS models (DeciLM) in which every layer has its own attention and FFN, as vLLM reads it.

Self-contained: this file is copied into checkpoints and needs transformers alone, of any version since 4.56.
"""

from transformers import PretrainedConfig


class Part(dict):
    """A mapping whose keys are attributes too; a key that is not there is no attribute, which vLLM looks at."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class DeciLMConfig(PretrainedConfig):
    """Sizes of a Llama-like decoder; `block_configs` says of each layer what its attention and its FFN are.

    `attention`: `no_op`, and `n_heads_in_group` query heads that share one KV head. `ffn`: `no_op`, and its width
    as `intermediate_size`, or as `ffn_mult` in published checkpoints. What a part has no number for is null.
    """

    model_type = "nemotron-nas"
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(
        self,
        vocab_size=128256,
        hidden_size=8192,
        num_hidden_layers=80,
        num_attention_heads=64,
        head_dim=None,
        hidden_act="silu",
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        initializer_range=0.02,
        rope_theta=10000.0,
        rope_scaling=None,
        rope_parameters=None,
        attention_bias=False,
        mlp_bias=False,
        use_cache=True,
        block_configs=None,
        tie_word_embeddings=False,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        **kwargs,
    ):
        kwargs.pop("num_key_value_heads", None)
        kwargs.pop("intermediate_size", None)
        self.num_key_value_heads = self.intermediate_size = None  # every layer has its own
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        self.head_dim = head_dim or hidden_size // num_attention_heads
        self.hidden_act, self.rms_norm_eps, self.initializer_range = hidden_act, rms_norm_eps, initializer_range
        self.max_position_embeddings, self.use_cache = max_position_embeddings, use_cache
        self.attention_bias, self.mlp_bias = attention_bias, mlp_bias
        self.rope_theta = rope_theta
        self.rope_parameters = rope_parameters or {
            "rope_type": "default",
            "rope_theta": rope_theta,
            **(rope_scaling or {}),
        }
        self.block_configs = [
            Part({name: Part(part) if isinstance(part, dict) else part for name, part in block.items()})
            for block in block_configs or []
        ]
        super().__init__(
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            tie_word_embeddings=tie_word_embeddings,
            **kwargs,
        )
