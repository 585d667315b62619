"""`gated_linear`: linear attention with gates that are learnt, a state of a fixed size in place of a KV cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import blockwright
from blockwright.variants import BlockVariant, SubBlockShape, VariantOptions, VariantSpec, Weights

if TYPE_CHECKING:
    import torch

    from blockwright.construction import SubBlockContext
    from blockwright.costs import Work
    from blockwright.hardware.operations import Operation

SHORTEST, LONGEST = 4.0, 256.0  # tokens after which the memory of the first and of the last head has faded to 1/e


class GatedLinear(BlockVariant):
    """The parent's projections around a recurrent memory; feature maps and gates are its own, to be trained."""

    slot = "attention"
    kind = "gated_linear"
    reads_inputs = True
    module = ("module.py", "GatedLinearAttention")  # travels in checkpoints, so it imports torch alone

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        return VariantSpec("attention", self.kind)

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        """The parent's, two feature maps, and a gate for each KV head."""
        from blockwright.plugins import installed_plugins

        kept = installed_plugins().variants["attention", "keep"].parameters(VariantSpec("attention", "keep"), shape)
        return kept + 2 * shape.head_dim**2 + shape.kv_heads * (shape.hidden_size + 1)

    def cached_values(self, spec: VariantSpec, shape: SubBlockShape, tokens: int) -> int:
        """The state, however long the sequence is."""
        return _state_values(shape) if tokens else 0

    def operations(self, spec: VariantSpec, shape: SubBlockShape, work: Work) -> Iterable[Operation]:
        """All projections, and the state read and written once a chunk of tokens."""
        from blockwright.hardware.operations import Elementwise

        yield from super().operations(spec, shape, work)
        chunks = work.sequences * -(-work.tokens // 64)
        yield Elementwise(work.stream, values=2 * chunks * work.share(_state_values(shape)))

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {"attention_kind": self.kind, "attention_is_recurrent": True}

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        """Projections as the parent's, maps and gates as they begin, the output refitted to what that sees."""
        import torch

        from blockwright.building.outputs import refitted_output
        from blockwright.child.kinds import module_class

        config = context.stack.config.layer(context.sub_block.layer)
        weights: dict[str, torch.Tensor] = {
            **{name: tensor.clone() for name, tensor in context.weights.items()},
            **_own(context.shape),
        }
        with torch.device("meta"):
            attention = module_class(self)(config, context.sub_block.layer)
        attention.load_state_dict(weights, assign=True)
        attention.eval().requires_grad_(False)
        weights["o_proj.weight"] = refitted_output(attention, context)
        return dict.fromkeys(specs, weights)


def _own(shape: SubBlockShape) -> dict[str, torch.Tensor]:
    """Maps that change nothing, and gates that let memories fade from quickly to slowly, whatever the token."""
    import torch

    tokens = torch.logspace(torch.tensor(SHORTEST).log2(), torch.tensor(LONGEST).log2(), shape.kv_heads, base=2.0)
    return {
        "q_map.weight": torch.eye(shape.head_dim),
        "k_map.weight": torch.eye(shape.head_dim),
        "gate_proj.weight": torch.zeros(shape.kv_heads, shape.hidden_size),
        "gate_proj.bias": torch.logit((-1 / tokens).exp()),
    }


def _state_values(shape: SubBlockShape) -> int:
    """Of each KV head: two features a channel, by the channels and the sum of keys."""
    return shape.kv_heads * 2 * shape.head_dim * (shape.head_dim + 1)


@blockwright.hookimpl
def register_block_variants() -> list[type[BlockVariant]]:
    return [GatedLinear]
