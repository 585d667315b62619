"""What every model family must do. A rule takes a family and tries it on a tiny model of its architecture."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from blockwright.contracts.holding import must
from blockwright.contracts.small_world import missing_weights, scratch, whole_model
from blockwright.errors import UserError
from blockwright.parent import ModelFamily

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from blockwright.parent import Parent

SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64, "initializer_range": 0.2,
}  # fmt: skip
CLOSE = 1e-4


def family_names_a_type_of_transformers(family: ModelFamily) -> None:
    """`model_type` is a word that transformers has a config and a causal model for."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    try:
        AutoConfig.for_model(family.model_type)
    except ValueError:
        raise AssertionError(f"{family.model_type}: transformers knows no config of this model_type") from None
    known = family.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    must(known, family.model_type, "transformers knows no causal language model of this model_type")


def family_child_has_the_parents_sizes(family: ModelFamily) -> None:
    """Layers, heads and widths of the child are those of the parent."""
    config = _parent(type(family)).config
    wrong = {name: getattr(config, name) for name, size in SIZES.items() if getattr(config, name) != size}
    must(not wrong, family.model_type, f"made a child with {wrong} of a parent with {SIZES}")


def family_reads_every_weight(family: ModelFamily) -> None:
    """Every weight of the child is in the parent's checkpoint by its name, and none of the parent's is left over."""
    from blockwright.child.checkpoint import planned_tensors

    parent = _parent(type(family))
    missing = missing_weights(parent.stack())
    must(not missing, family.model_type, "; ".join(missing))
    planned = {one.name for one in planned_tensors(parent.config)}
    left_over = sorted(set(parent.source().names()) - planned - {"lm_head.weight"})
    must(not left_over, family.model_type, f"does not read {', '.join(left_over)}")


def family_child_computes_what_the_parent_does(family: ModelFamily) -> None:
    """The same logits, with biases and windows as the architecture has them by default."""
    import torch
    from transformers import AutoModelForCausalLM

    from blockwright.models.quiet import quiet_transformers

    parent = _parent(type(family))
    tokens = torch.randint(4, 64, (2, 12), generator=torch.Generator().manual_seed(0))
    with quiet_transformers():
        theirs = AutoModelForCausalLM.from_pretrained(parent.directory).eval()
    with torch.no_grad():
        apart = float((theirs(tokens).logits - whole_model(parent.stack())(tokens).logits).abs().max())
    must(apart < CLOSE, family.model_type, f"made a child whose logits differ from the parent's by {apart:.2g}")


def family_refuses_what_a_child_cannot_be(family: ModelFamily) -> None:
    """Quantised weights, and a rope that the child's class does not know, are a UserError."""
    config = _config(family.model_type)
    config.quantization_config = {"quant_method": "gptq", "bits": 4}
    _must_refuse(family, config, "quantised weights")
    unknown = _config(family.model_type)
    unknown.rope_parameters = {**unknown.rope_parameters, "rope_type": "no-such-rope"}
    _must_refuse(family, unknown, "a rope that the child does not know")


def _must_refuse(family: ModelFamily, config: PreTrainedConfig, what: str) -> None:
    try:
        family.child_config(config)
    except UserError:
        return
    raise AssertionError(f"{family.model_type}: took a parent with {what}, which a child cannot express")


def _config(model_type: str) -> PreTrainedConfig:
    from transformers import AutoConfig

    config: PreTrainedConfig = AutoConfig.for_model(model_type, **SIZES, bos_token_id=1, eos_token_id=2, pad_token_id=3)
    return config


@cache
def _parent(kind: type[ModelFamily]) -> Parent:
    import torch
    from transformers import AutoModelForCausalLM

    from blockwright.models.quiet import quiet_transformers
    from blockwright.parent import open_parent

    folder = scratch("family")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(_config(kind.model_type))
        for name, weight in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                weight.data += 0.2 * torch.randn_like(weight)
    with quiet_transformers():
        model.save_pretrained(folder)
    try:
        return open_parent(folder, {kind.model_type: kind()})
    except UserError as error:
        raise AssertionError(
            f"{kind.model_type}: makes a child that the parent's own checkpoint does not fit: {error}"
        ) from None


FAMILY_CONTRACT: tuple[Callable[[ModelFamily], None], ...] = (
    family_names_a_type_of_transformers,
    family_child_has_the_parents_sizes,
    family_reads_every_weight,
    family_child_computes_what_the_parent_does,
    family_refuses_what_a_child_cannot_be,
)
"""All rules, to parametrize over."""
