"""Promises of generation: batched equals single and transformers, whatever the company or order."""

import numpy as np
import pytest
import torch

from groundtune.errors import SettingError
from groundtune.vlm import features
from groundtune.vlm import generate as generation
from groundtune.vlm.branches import sharing_is_exact
from groundtune.vlm.generate import Decoding, generate
from groundtune.vlm.prompt import encode_prefix
from groundtune.vlm.sampling import pick, uniforms
from tests.unit.vlm.conftest import SIZES, picture, prompts

GREEDY = Decoding(max_new_tokens=10, temperature=0, samples=1)
SAMPLED = Decoding(max_new_tokens=24, samples=5)


@pytest.fixture
def end_often(vlm, monkeypatch):
    """Treat many tokens as the end of an answer, so that rows finish at different steps."""
    monkeypatch.setattr(vlm.base.generation_config, "eos_token_id", [2, *range(20, 60)])
    return vlm


def test_batched_greedy_answers_are_those_of_single_prompts_and_of_transformers(vlm):
    prefixes = prompts(vlm)
    assert len({len(prefix) for prefix in prefixes}) > 1  # so the batch is padded on the left
    batched = generate(vlm, prefixes, GREEDY, [0] * 4)
    assert batched == [generate(vlm, [prefix], GREEDY, [0])[0] for prefix in prefixes]
    for prefix, answers in zip(prefixes, batched, strict=True):
        ids = prefix.input_ids.unsqueeze(0)
        theirs = vlm.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            **prefix.pixels,
            do_sample=False,
            max_new_tokens=10,
            suppress_tokens=[vlm.config.image_token_id],
        )
        assert list(answers[0].token_ids) == theirs[0, len(prefix) :].tolist()


def test_a_candidate_does_not_depend_on_its_batch(end_often):
    vlm, prefixes, seeds = end_often, prompts(end_often), [11, 12, 13, 14]
    together = generate(vlm, prefixes, SAMPLED, seeds)
    lengths = {len(answer.token_ids) for own in together for answer in own}
    assert len(lengths) > 3  # rows finished at different steps, so the batch shrank on the way
    assert together == [generate(vlm, [p], SAMPLED, [s])[0] for p, s in zip(prefixes, seeds, strict=True)]
    assert together[::-1] == generate(vlm, prefixes[::-1], SAMPLED, seeds[::-1])
    assert together == generate(vlm, prefixes, SAMPLED, seeds, cache_tokens=1)


def questions_of_two_images(vlm):
    asked = ("Is there a cat?", "Is there a dog, a cup and a banana?", "Describe", "Is there a cat?", "Is it red?")
    return [encode_prefix(vlm, f"q{i}", text, picture(i % 2, SIZES[i % 2])) for i, text in enumerate(asked)]


def test_questions_about_one_image_share_its_prefill_and_get_the_answers_they_get_alone(end_often, monkeypatch):
    vlm, prefixes, seeds = end_often, questions_of_two_images(end_often), [1, 2, 3, 4, 5]
    read = []
    plain = generation.left_padded
    monkeypatch.setattr(generation, "left_padded", lambda vlm, some: (read.append(len(some)), plain(vlm, some))[1])
    for decoding in (GREEDY, SAMPLED):
        alone = [generate(vlm, [p], decoding, [s])[0] for p, s in zip(prefixes, seeds, strict=True)]
        read.clear()
        assert generate(vlm, prefixes, decoding, seeds) == alone
        assert read == [2]  # two images, five questions
        assert generate(vlm, prefixes, decoding, seeds, cache_tokens=3 * decoding.samples * 60) == alone


def test_a_model_that_cannot_share_reads_every_prompt_whole(end_often, monkeypatch):
    vlm, prefixes, seeds = end_often, questions_of_two_images(end_often), [1, 2, 3, 4, 5]
    shared = generate(vlm, prefixes, GREEDY, seeds)
    monkeypatch.setattr(vlm, "shares_prefixes", False)
    monkeypatch.setattr(generation, "_shared_prefill", None)
    assert generate(vlm, prefixes, GREEDY, seeds) == shared


def test_fewer_samples_or_tokens_are_the_start_of_more(vlm):
    prefixes = prompts(vlm, 1)
    many = generate(vlm, prefixes, SAMPLED, [3])[0]
    few = generate(vlm, prefixes, Decoding(max_new_tokens=6, samples=2), [3])[0]
    assert [answer.token_ids for answer in few] == [answer.token_ids[:6] for answer in many[:2]]


def test_another_seed_gives_other_candidates(vlm):
    prefixes = prompts(vlm, 1)
    assert generate(vlm, prefixes, SAMPLED, [1]) != generate(vlm, prefixes, SAMPLED, [2])


def test_an_answer_ends_with_its_end_token_and_says_so(end_often):
    answers = [a for own in generate(end_often, prompts(end_often), SAMPLED, [1, 2, 3, 4]) for a in own]
    ends = {2, *range(20, 60)}
    assert any(answer.finished for answer in answers)
    for answer in answers:
        assert answer.finished == (answer.token_ids[-1] in ends)
        assert not ends & set(answer.token_ids[:-1])
        assert answer.finished or len(answer.token_ids) == SAMPLED.max_new_tokens


def test_an_image_is_encoded_once_for_all_its_prompts_and_candidates(llava, monkeypatch):
    sharing_is_exact(llava)  # tried once a model, with an image of its own
    pixels_seen = []
    original = llava.model.model.vision_tower.forward
    monkeypatch.setattr(
        llava.model.model.vision_tower,
        "forward",
        lambda pixels, **settings: pixels_seen.append(len(pixels)) or original(pixels, **settings),
    )
    prefixes = [encode_prefix(llava, q, q, picture(image)) for q in ("What?", "Why?") for image in (1, 2)]
    generate(llava, prefixes, Decoding(max_new_tokens=3, samples=4), [0, 1, 2, 3])
    assert sum(pixels_seen) == 2


def test_equal_features_whatever_the_batch(vlm):
    prefixes = prompts(vlm)
    together = features.image_features(vlm, prefixes)
    for prefix, found in zip(prefixes, together, strict=True):
        (alone,) = features.image_features(vlm, [prefix])
        assert found.shape[0] == vlm.family.expected_image_tokens(vlm.config, prefix.image_size)
        assert torch.allclose(found, alone, atol=1e-5)


def test_frozen_tower_and_projector_build_no_graph(vlm):
    vlm.model.requires_grad_(False)
    assert not features.image_features(vlm, prompts(vlm, 1))[0].requires_grad
    vlm.base.model.multi_modal_projector.requires_grad_(True)
    assert features.image_features(vlm, prompts(vlm, 1))[0].requires_grad
    vlm.model.requires_grad_(False)


def test_the_image_token_is_never_drawn(vlm):
    prefixes = prompts(vlm, 2)
    answers = generate(vlm, prefixes, Decoding(max_new_tokens=40, top_p=1.0, temperature=5.0), [5, 6])
    assert all(vlm.config.image_token_id not in answer.token_ids for own in answers for answer in own)


def test_greedy_samples_are_copies(llava):
    own = generate(llava, prompts(llava, 1), Decoding(max_new_tokens=3, temperature=0, samples=3), [0])[0]
    assert len(own) == 3
    assert own[0] == own[1] == own[2]


def test_a_nucleus_keeps_the_smallest_set_that_reaches_its_mass():
    logits = torch.tensor([[0.1, 0.5, 0.3, 0.1]]).log()
    draw = [int(pick(logits, torch.tensor([u]), 1.0, 0.75)) for u in np.linspace(0, 0.999, 200)]
    assert set(draw) == {1, 2}  # .5 is short of .75, .5 + .3 reaches it
    assert abs(draw.count(1) / 200 - 0.5 / 0.8) < 0.01
    assert int(pick(logits, torch.tensor([0.999]), 1.0, 1e-9)) == 1  # at least one token


def test_draws_follow_the_model_s_distribution():
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(0))
    draws = torch.from_numpy(uniforms(7, 0, 20000)).float()
    found = pick(logits.expand(20000, -1), draws, 0.7, 1.0).bincount(minlength=6) / 20000
    assert torch.allclose(found, (logits / 0.7).softmax(-1)[0], atol=0.015)


def test_uniform_numbers_are_fixed_for_ever():
    assert np.allclose(uniforms(1, 0, 3), UNIFORMS_1_0, atol=0, rtol=0)
    assert (uniforms(1, 0, 50)[:3] == uniforms(1, 0, 3)).all()
    assert (uniforms(1, 0, 3) != uniforms(1, 1, 3)).all()


UNIFORMS_1_0 = [0.1745914200042521, 0.5016945277383951, 0.8366072622771471]


@pytest.mark.parametrize(
    "wrong", [{"top_p": 0}, {"top_p": 1.5}, {"samples": 0}, {"max_new_tokens": 0}, {"temperature": -1}]
)
def test_a_wrong_decoding_setting_is_named(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Decoding(**wrong)


def test_seeds_must_match_prompts(llava):
    with pytest.raises(ValueError, match="1 prefixes but 2 seeds"):
        generate(llava, prompts(llava, 1), GREEDY, [1, 2])
