"""The built-in block variants: keep, fewer KV heads, narrower FFN, linear, skip."""

from blockwright.plugins import hookimpl
from blockwright.variants import BlockVariant
from blockwright_plugins.variants.keep import KeepAttention, KeepFFN
from blockwright_plugins.variants.kv_heads import KVHeads
from blockwright_plugins.variants.linear import LinearAttentionMap, LinearFFN
from blockwright_plugins.variants.narrow import NarrowFFN
from blockwright_plugins.variants.skip import SkipAttention, SkipFFN


@hookimpl
def register_block_variants() -> list[type[BlockVariant]]:
    return [KeepAttention, KVHeads, LinearAttentionMap, SkipAttention, KeepFFN, NarrowFFN, LinearFFN, SkipFFN]
