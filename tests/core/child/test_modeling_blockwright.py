"""The child as transformers uses it: logits, cache, padding, generation, training, kernels, saving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache

from blockwright.child.modeling_blockwright import Attention, BlockwrightForCausalLM


def generate(model: BlockwrightForCausalLM, tokens: Tensor, **settings: object) -> Tensor:
    settings = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0, **settings}
    return model.generate(tokens, attention_mask=settings.pop("attention_mask", torch.ones_like(tokens)), **settings)


def greedy(model: BlockwrightForCausalLM, tokens: Tensor, steps: int = 12) -> Tensor:
    """Plain greedy decoding: the whole sequence runs anew for each token."""
    with torch.no_grad():
        for _ in range(steps):
            tokens = torch.cat([tokens, model(tokens, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    return tokens


def test_generation_with_cache_gives_the_plain_tokens(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    plain = greedy(any_child, tokens)
    assert len(set(plain[:, 11:].flatten().tolist())) > 4, "tokens that are all alike would prove nothing"
    assert torch.equal(generate(any_child, tokens), plain)
    assert torch.equal(generate(any_child, tokens, use_cache=False), plain)


def test_a_static_cache_gives_the_plain_tokens(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    assert torch.equal(generate(any_child, tokens, cache_implementation="static"), greedy(any_child, tokens))


def test_chunked_prefill_gives_the_plain_tokens(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    assert torch.equal(generate(any_child, tokens, prefill_chunk_size=4), greedy(any_child, tokens))


def test_left_padding_changes_no_token(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    lengths = (11, 7, 4)
    padded, mask = torch.zeros_like(tokens), torch.zeros_like(tokens)
    for row, length in enumerate(lengths):
        padded[row, -length:], mask[row, -length:] = tokens[row, :length], 1
    together = generate(any_child, padded, attention_mask=mask)
    for row, length in enumerate(lengths):
        alone = greedy(any_child, tokens[row : row + 1, :length])
        assert torch.equal(together[row, 11:], alone[0, length:])


def test_right_padding_changes_no_logits(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    mask = torch.ones_like(tokens)
    mask[1, 6:] = 0
    with torch.no_grad():
        padded, alone = any_child(tokens, attention_mask=mask).logits[1, :6], any_child(tokens[1:2, :6]).logits[0]
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-5)


def test_beam_search_does_not_depend_on_the_cache(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    with_cache = generate(any_child, tokens, num_beams=3)
    assert torch.equal(with_cache, generate(any_child, tokens, num_beams=3, use_cache=False))


def test_a_cache_in_pieces_gives_the_logits_of_one_pass(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    cache = DynamicCache(config=any_child.config)
    with torch.no_grad():
        pieces = [any_child(piece, past_key_values=cache).logits for piece in tokens.split([1, 6, 4], dim=1)]
        whole = any_child(tokens, use_cache=False).logits
    if any(isinstance(module, Attention) for module in any_child.modules()):
        assert cache.get_seq_length() == 11
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=2e-5, rtol=1e-4)


def test_every_layer_hears_of_another_kernel(mixed_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    with torch.no_grad():
        fast = mixed_child(tokens).logits
        mixed_child.set_attn_implementation("eager")
        plain = mixed_child(tokens).logits
    layers = [module for module in mixed_child.modules() if isinstance(module, Attention)]
    assert [layer.config._attn_implementation for layer in layers] == ["eager"] * len(layers)
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=1e-4)
    assert not torch.equal(fast, plain), "the eager kernel was never used"


def test_the_kernel_chosen_at_load_reaches_every_layer(mixed_child: BlockwrightForCausalLM, tmp_path: Path) -> None:
    mixed_child.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
    layers = [module for module in loaded.modules() if isinstance(module, Attention)]
    assert {layer.config._attn_implementation for layer in layers} == {"eager"}


def test_a_saved_child_comes_back_the_same(any_child: BlockwrightForCausalLM, tokens: Tensor, tmp_path: Path) -> None:
    any_child.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is BlockwrightForCausalLM
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, any_child(tokens).logits)


def test_a_child_of_a_dtype_loads_in_it(mixed_child: BlockwrightForCausalLM, tokens: Tensor, tmp_path: Path) -> None:
    mixed_child.to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert {weight.dtype for weight in loaded.parameters()} == {torch.bfloat16}
    assert loaded(tokens).logits.isfinite().all()


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_gradient_checkpointing_gives_the_same_gradients(any_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    def gradients() -> list[Tensor]:
        any_child.zero_grad()
        any_child(tokens, labels=tokens).loss.backward()
        return [weight.grad.clone() for weight in any_child.parameters() if weight.grad is not None]

    any_child.train()
    plain = gradients()
    any_child.gradient_checkpointing_enable()
    for expected, got in zip(plain, gradients(), strict=True):
        torch.testing.assert_close(got, expected)


def test_every_weight_learns(mixed_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    mixed_child.train()(tokens, labels=tokens).loss.backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in mixed_child.parameters())


def test_the_loss_divides_by_the_trainers_item_count(mixed_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    with torch.no_grad():
        mean = mixed_child(tokens, labels=tokens).loss
        counted = mixed_child(tokens, labels=tokens, num_items_in_batch=torch.tensor(60)).loss
    torch.testing.assert_close(counted, mean * 30 / 60)  # 3 sequences with 10 next tokens each


def test_only_the_logits_asked_for_are_made(mixed_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    with torch.no_grad():
        last = mixed_child(tokens, logits_to_keep=1).logits
        torch.testing.assert_close(last, mixed_child(tokens).logits[:, -1:], atol=1e-5, rtol=1e-5)


def test_hidden_states_are_the_streams_between_layers(mixed_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    with torch.no_grad():
        outputs = mixed_child(tokens, output_hidden_states=True)
        logits, *_ = mixed_child(tokens, return_dict=False)
    assert len(outputs.hidden_states) == 9
    assert torch.equal(outputs.hidden_states[3], outputs.hidden_states[4]), "layer 3 is skipped"
    assert torch.equal(mixed_child.lm_head(outputs.hidden_states[-1]), logits)


def test_embeddings_can_be_given_and_resized(mixed_child: BlockwrightForCausalLM, tokens: Tensor) -> None:
    with torch.no_grad():
        logits = mixed_child(tokens).logits
        embedded = mixed_child(inputs_embeds=mixed_child.get_input_embeddings()(tokens)).logits
        mixed_child.resize_token_embeddings(70)
        resized = mixed_child(tokens).logits
    assert torch.equal(embedded, logits)
    assert resized.shape[-1] == 70
    torch.testing.assert_close(resized[..., :64], logits)


def test_an_unknown_kind_says_what_to_do(make_child) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"no attention variant is called 'theirs'.*trust_remote_code"):
        make_child(per_layer_config={0: {"attention_kind": "theirs"}})


def test_layers_side_by_side_read_one_stream_and_sum(make_child: Callable[..., BlockwrightForCausalLM]) -> None:
    child, tokens = make_child(parallel_windows=[[2, 4]]), torch.arange(1, 9)[None]
    with torch.no_grad():
        states = child(tokens, output_hidden_states=True).hidden_states
        positions = child.model.rotary_emb(states[2], torch.arange(8)[None])
        alone = [child.model.layers[index](states[2], position_embeddings=positions) for index in (2, 3, 4)]
    torch.testing.assert_close(states[5], states[2] + sum(each - states[2] for each in alone), atol=1e-4, rtol=1e-4)
    in_a_row = make_child()(tokens, output_hidden_states=True).hidden_states
    assert torch.equal(in_a_row[3], states[3])
    assert not torch.allclose(in_a_row[5], states[5], atol=0.1)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_layers_side_by_side_learn_through_checkpointed_layers(
    make_child: Callable[..., BlockwrightForCausalLM], tokens: Tensor
) -> None:
    gradients = []
    for checkpointed in (False, True):
        child = make_child(parallel_windows=[[1, 3]]).train()
        if checkpointed:
            child.gradient_checkpointing_enable()
        child(tokens, labels=tokens, use_cache=False).loss.backward()
        gradients.append([weight.grad for weight in child.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)
