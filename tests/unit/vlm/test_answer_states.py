"""Promises of pooled answer states: those of plain passes, whatever the company."""

import pytest
import torch

from groundtune.errors import RecordError
from groundtune.vlm import answer_states as module
from groundtune.vlm.answer_states import answer_states, plain_states
from groundtune.vlm.branches import branch_next_logprobs
from tests.unit.vlm.conftest import prompts, random_branches

LENGTHS = [[3, 1, 7], [12], [], [2, 2, 5]]


@torch.no_grad()
@pytest.mark.parametrize("token_budget", [1, 150, 16384])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_states_equal_plain_passes(vlm, pooling, token_budget):
    prefixes, answers = prompts(vlm), random_branches(vlm, LENGTHS)
    found = answer_states(vlm, prefixes, answers, pooling=pooling, token_budget=token_budget)
    for prefix, own, states in zip(prefixes, answers, found, strict=True):
        assert states.shape == (len(own), vlm.config.get_text_config().hidden_size)
        for branch, state in zip(own, states, strict=True):
            plain = plain_states(vlm, prefix, branch)
            expected = plain[-1] if pooling == "last" else plain.mean(dim=0)
            assert float((state - expected).abs().max()) <= 1e-5


@torch.no_grad()
def test_a_model_that_cannot_share_gives_the_same_states(vlm, monkeypatch):
    prefixes, answers = prompts(vlm), random_branches(vlm, LENGTHS)
    packed = answer_states(vlm, prefixes, answers, pooling="mean")
    monkeypatch.setattr(vlm, "shares_prefixes", False)
    monkeypatch.setattr(module, "row_states", lambda *given: pytest.fail("packed") if any(given[3]) else iter(()))
    plain = answer_states(vlm, prefixes, answers, pooling="mean")
    assert all(float((a - b).abs().max()) <= 1e-5 for a, b in zip(packed, plain, strict=True) if len(a))


@torch.no_grad()
def test_the_states_are_what_the_output_embeddings_read(vlm):
    prefixes, answers = prompts(vlm), random_branches(vlm, LENGTHS)
    states = answer_states(vlm, prefixes, answers, pooling="last")
    expected = branch_next_logprobs(vlm, prefixes, answers, [7, 300])
    for own, values in zip(states, expected, strict=True):
        for state, listed in zip(own, values, strict=True):
            logits = vlm.base.get_output_embeddings()(state.to(vlm.dtype)).float()
            assert float((logits.log_softmax(dim=-1)[[7, 300]] - listed).abs().max()) <= 1e-5


def test_an_image_token_in_an_answer_is_an_error_that_names_the_record(vlm):
    with pytest.raises(RecordError, match=prompts(vlm, 1)[0].record_id):
        answer_states(vlm, prompts(vlm, 1), [[[5, vlm.config.image_token_id]]], pooling="last")
