"""The torch module of `gated_linear`; self-contained, since it travels inside checkpoints."""

import torch
from torch import nn

CHUNK = 64  # tokens that are mixed at once; what came before them is in the state


class GatedLinearAttention(nn.Module):
    """Linear attention whose memory fades: S ← a·S + φ(k)ᵀ[v, 1], o = φ(q)S, a in (0, 1) for each token and KV head.

    The last channel of S sums the keys, and divides the others. A decoding step needs S alone, a prompt is taken in
    chunks (Dao and Gu, 2405.21060, section 6; Yang et al., 2312.06635, section 4).
    """

    def __init__(self, config, layer_idx):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        self.layer_idx, bias = layer_idx, config.attention_bias
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.head_dim, bias=bias)
        self.k_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim, bias=bias)
        self.v_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_dim, bias=bias)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.hidden_size, bias=config.attention_output_bias)
        self.q_norm = nn.RMSNorm(self.head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = nn.RMSNorm(self.head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.q_map = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.k_map = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.gate_proj = nn.Linear(config.hidden_size, self.kv_heads)

    def features(self, x, attention_mask=None, past_key_values=None, **unused):
        """What o_proj reads, (batch, seq, heads * head_dim); the mask (batch, all tokens) tells tokens from padding."""
        batch, seq = x.shape[:2]
        by_head = (batch, seq, -1, self.head_dim)
        query = positive(self.q_map(self.q_norm(self.q_proj(x).view(by_head)))).transpose(1, 2)
        key = positive(self.k_map(self.k_norm(self.k_proj(x).view(by_head)))).transpose(1, 2)
        value = self.v_proj(x).view(by_head).transpose(1, 2).float()
        decay = nn.functional.logsigmoid(self.gate_proj(x).float()).transpose(1, 2)  # (batch, kv_heads, seq)
        if isinstance(attention_mask, torch.Tensor):
            there = attention_mask[:, None, -seq:].to(decay.dtype)
            key, decay = key * there[..., None], decay * there
        value = torch.cat([value, torch.ones_like(value[..., :1])], dim=-1)
        query = query.unflatten(1, (self.kv_heads, -1))  # (batch, kv_heads, group, seq, 2 * head_dim)
        mixed, state = mix(query, key, value, decay, self._state(past_key_values, key, value))
        if past_key_values is not None:
            past_key_values.update_recurrent_state(state, self.layer_idx)
        mixed = mixed[..., :-1] / mixed[..., -1:].clamp_min(1e-12)
        return mixed.permute(0, 3, 1, 2, 4).reshape(batch, seq, -1).to(x.dtype)

    def forward(self, x, attention_mask=None, past_key_values=None, **unused):
        return self.o_proj(self.features(x, attention_mask, past_key_values))

    def _state(self, past_key_values, key, value):
        """(batch, kv_heads, 2 * head_dim, head_dim + 1), zeros at the start."""
        kept = None if past_key_values is None else past_key_values.layers[self.layer_idx].recurrent_states[0]
        return value.new_zeros(*key.shape[:2], key.shape[-1], value.shape[-1]) if kept is None else kept


def positive(x):
    """Features above zero, twice as many: softmax over (x, -x) (Zhang et al., 2402.04347)."""
    return torch.cat([x, -x], dim=-1).float().softmax(dim=-1)


def mix(query, key, value, decay, state):
    """Outputs (batch, kv_heads, group, seq, out) and the state after the last token.

    query (batch, kv_heads, group, seq, in), key (batch, kv_heads, seq, in), value (…, seq, out), decay (…, seq) in
    logarithms, state (batch, kv_heads, in, out).
    """
    outputs = []
    pieces = (query.split(CHUNK, 3), key.split(CHUNK, 2), value.split(CHUNK, 2), decay.split(CHUNK, 2))
    for q, k, v, fading in zip(*pieces, strict=True):
        since = fading.cumsum(-1)  # since the chunk began
        later = torch.ones(q.shape[3], q.shape[3], dtype=torch.bool, device=q.device).triu(1)
        between = (since[..., :, None] - since[..., None, :]).masked_fill(later, float("-inf")).exp()
        within = (q @ k.transpose(-1, -2)[:, :, None] * between[:, :, None]) @ v[:, :, None]
        outputs.append(within + (q * since.exp()[:, :, None, :, None]) @ state[:, :, None])
        until_the_end = (since[..., -1:] - since).exp()[..., None]
        state = state * since[..., -1, None, None].exp() + (k * until_the_end).transpose(-1, -2) @ v
    return torch.cat(outputs, dim=3), state
