"""Promises of generation: batched equals single and transformers, whatever the company or order."""

import numpy as np
import pytest
import torch

from groundtune.errors import SettingError
from groundtune.vlm import decoding as decoding_module
from groundtune.vlm import features, sampling
from groundtune.vlm import generate as generation
from groundtune.vlm.branches import sharing_is_exact
from groundtune.vlm.decoding import ContinuousDecoding
from groundtune.vlm.generate import generate
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.prompt import encode_prefix
from groundtune.vlm.sampling import Decoding, Draws, pick, uniforms
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
    read = watched_prefill(monkeypatch)
    for decoding in (GREEDY, SAMPLED):
        alone = [generate(vlm, [p], decoding, [s])[0] for p, s in zip(prefixes, seeds, strict=True)]
        read.clear()
        assert generate(vlm, prefixes, decoding, seeds) == alone
        assert sum(read) == 2  # two images, five questions
        assert generate(vlm, prefixes, decoding, seeds, cache_tokens=3 * decoding.samples * 60) == alone


def watched_prefill(monkeypatch) -> list[int]:
    """The number of images of every prefill from now on."""
    read: list[int] = []
    usual = decoding_module.packed_states
    monkeypatch.setattr(
        decoding_module, "packed_states", lambda vlm, rows, *rest: (read.append(len(rows)), usual(vlm, rows, *rest))[1]
    )
    return read


def test_a_model_that_cannot_share_reads_every_prompt_whole(end_often, monkeypatch):
    vlm, prefixes, seeds = end_often, questions_of_two_images(end_often), [1, 2, 3, 4, 5]
    shared = {decoding: generate(vlm, prefixes, decoding, seeds) for decoding in (GREEDY, SAMPLED)}
    monkeypatch.setattr(vlm, "shares_prefixes", False)
    monkeypatch.setattr(generation, "ContinuousDecoding", None)
    for decoding, expected in shared.items():
        assert generate(vlm, prefixes, decoding, seeds) == expected
        assert generate(vlm, prefixes, decoding, seeds, cache_tokens=1) == expected


def test_where_an_answer_ends_another_begins(end_often, monkeypatch):
    """12 prompts x 5 answers in a cache for 10 rows and 4 prompts: most rows are in use until none is left to begin."""
    vlm = end_often
    prefixes = [encode_prefix(vlm, f"p{i}", "What is it?", picture(i, SIZES[0])) for i in range(12)]
    tokens = 10 * (24 + 2 * len(prefixes[0]) / 5) + 1
    rows, left = [], []
    usual = ContinuousDecoding._step

    def watched(self):
        rows.append(self._cache.count)
        left.append(len(self._waiting) + len(self._ready))
        assert self._cache.capacity <= 10
        assert self._cache.groups <= self._cache.group_capacity
        return usual(self)

    monkeypatch.setattr(ContinuousDecoding, "_step", watched)
    read = watched_prefill(monkeypatch)
    many = generate(vlm, prefixes, SAMPLED, range(12), cache_tokens=int(tokens))
    assert sum(read) == 12
    full = [count for count, rest in zip(rows, left, strict=True) if rest]
    assert len(full) > 24 and sum(full) / len(full) > 7
    one_by_one = sum(max(len(answer.token_ids) for answer in own) - 1 for own in many) / 2  # in pairs of prompts
    assert len(rows) < one_by_one
    assert many == [generate(vlm, [p], SAMPLED, [i])[0] for i, p in enumerate(prefixes)]


@torch.no_grad()
def test_many_prompts_about_one_image_are_read_in_groups_that_fit_a_pass(llava, monkeypatch):
    prefixes = [encode_prefix(llava, f"q{i}", f"Is there a cat {'or a dog ' * i}?", picture(1)) for i in range(9)]
    alone = [generate(llava, [p], SAMPLED, [i])[0] for i, p in enumerate(prefixes)]
    monkeypatch.setattr(decoding_module, "PREFILL_TOKENS", len(prefixes[-1]) + 20)
    tokens = []
    usual = decoding_module.packed_states
    monkeypatch.setattr(
        decoding_module,
        "packed_states",
        lambda vlm, rows, *rest: (tokens.append([row.length for row in rows]), usual(vlm, rows, *rest))[1],
    )
    assert generate(llava, prefixes, SAMPLED, range(9)) == alone
    assert len(tokens) > 2 and all(sum(lengths) <= len(prefixes[-1]) + 20 for lengths in tokens)
    monkeypatch.setattr(decoding_module, "PREFILL_TOKENS", 10_000)
    tokens.clear()
    assert generate(llava, prefixes, SAMPLED, range(9)) == alone
    assert sum(map(len, tokens)) == 2, "six prompts of five answers, then three"


@torch.no_grad()
def test_the_cache_holds_a_prompt_once_for_all_its_answers(llava):
    prefixes = prompts(llava, 1)
    way = ContinuousDecoding(llava, prefixes, SAMPLED, 5, Draws([1], 24), {2}, cache_tokens=10_000)
    list(way._admit())
    assert way._cache.capacity == 5 and way._cache._shared.shape[2:5:2] == (1, len(prefixes[0]))
    assert way._cache._own.shape[2:5:2] == (5, 24)


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


def test_a_frozen_tower_gives_the_same_features_while_the_model_trains(llava_path):
    """A trainer puts the whole model into training mode; a tower with dropout must not notice."""
    vlm = load_vlm(llava_path, device="cpu")
    vlm.model.requires_grad_(False)
    for module in vlm.base.model.vision_tower.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.5
    (before,) = features.image_features(vlm, prompts(vlm, 1))
    vlm.model.train()
    (after,) = features.image_features(vlm, prompts(vlm, 1))
    assert torch.equal(before, after)
    assert vlm.base.model.vision_tower.training
    direct = vlm.family.image_features(vlm.base, dict(prompts(vlm, 1)[0].pixels))[0]
    assert not torch.equal(before, direct), "the dropout is there"


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


@pytest.mark.parametrize("top_p", [1.0, 0.9999])
def test_draws_follow_the_model_s_distribution(top_p):
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(0))
    draws = torch.from_numpy(uniforms(7, 0, 20000)).float()
    found = pick(logits.expand(20000, -1), draws, 0.7, top_p).bincount(minlength=6) / 20000
    assert torch.allclose(found, (logits / 0.7).softmax(-1)[0], atol=0.015)


@pytest.mark.parametrize("spread", [0.1, 2.0, 20.0])
def test_a_nucleus_wider_than_the_likeliest_tokens_is_found_by_sorting_all(spread):
    """Flat rows take the long way, peaked ones the short; both give what sorting the whole vocabulary gives."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(40, 3000, generator=generator) * torch.linspace(0.1, spread, 40).unsqueeze(1)
    uniform = torch.rand(40, generator=generator)
    ranked, order = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
    whole = sampling._from_nucleus(ranked, order, uniform, 0.95)
    found = pick(logits, uniform, 1.0, 0.95)
    assert (found == whole).all()
    assert all(pick(logits[i : i + 1], uniform[i : i + 1], 1.0, 0.95) == found[i] for i in range(40))


def test_a_number_rounded_up_to_one_draws_a_token_that_can_be():
    logits = torch.tensor([[0.0, 1.0, -torch.inf]])
    assert pick(logits, torch.tensor([1.0]), 1.0, 1.0).tolist() == [1]
    assert pick(logits, torch.tensor([1.0]), 1.0, 0.99).tolist() == [0]


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
