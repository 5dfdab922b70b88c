"""Promises of the attention from a prompt's last position."""

import pytest
import torch

from groundtune.vlm import attention
from groundtune.vlm.features import prefix_embeddings
from groundtune.vlm.last_attention import last_position_attention
from groundtune.vlm.loader import load_vlm
from tests.unit.vlm.conftest import prompts


def test_it_is_the_last_row_of_an_ordinary_eager_pass(vlm):
    """One prompt at a time, no cache, all weights given away: mean over layers and heads."""
    prefixes = prompts(vlm)
    found = last_position_attention(vlm, prefixes)
    decoder = vlm.family.language_model(vlm.base)
    decoder.set_attn_implementation("eager")
    try:
        for prefix, own in zip(prefixes, found, strict=True):
            with torch.no_grad():
                embedded = prefix_embeddings(vlm, [prefix])[0].unsqueeze(0)
                layers = decoder(inputs_embeds=embedded, output_attentions=True, use_cache=False).attentions
            expected = torch.stack([layer[0, :, -1] for layer in layers]).mean(dim=(0, 1))
            torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-4)
    finally:
        decoder.set_attn_implementation(attention.NAME)


def test_it_sums_to_one_over_the_prompt(vlm):
    for prefix, own in zip(prompts(vlm), last_position_attention(vlm, prompts(vlm)), strict=True):
        assert own.shape == (len(prefix),) and own.dtype == torch.float32
        assert float(own.sum()) == pytest.approx(1.0, abs=1e-5)


def test_it_does_not_depend_on_the_batch(vlm):
    prefixes = prompts(vlm)
    together = last_position_attention(vlm, prefixes)
    alone = last_position_attention(vlm, prefixes, token_budget=1)
    for one, two in zip(together, alone, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


def test_the_usual_attention_is_back_afterwards(llava_path):
    vlm = load_vlm(llava_path, device="cpu")
    decoder = vlm.family.language_model(vlm.base)
    assert decoder.config._attn_implementation == attention.NAME
    assert last_position_attention(vlm, []) == []
    last_position_attention(vlm, prompts(vlm, 1))
    assert decoder.config._attn_implementation == attention.NAME
