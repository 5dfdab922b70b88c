"""What the sides work on: answers of exact length, ends by chance, memory that is really seen."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.engine import memory, models, ours
from bench.engine.case import Case
from bench.engine.case_files import case_of
from bench.engine.models import end_by_chance
from bench.engine.sizes import SIZES
from bench.engine.workload import Writer, made_up_pairs
from groundtune.vlm.loader import load_processor

TINY = SIZES["tiny"]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return case_of(TINY, tmp_path_factory.mktemp("case"))


def test_an_answer_has_the_tokens_that_were_asked_for(case):
    tokenizer = load_processor(case.checkpoint).tokenizer
    assert len(tokenizer) == TINY.vocabulary
    text, ids = Writer(tokenizer).answer(17)
    assert len(ids) == 17 and tokenizer.decode(ids) == text
    pairs = made_up_pairs(tokenizer, case.images(4), (3, 8))
    assert {len(ids) for pair in pairs for ids in (pair.chosen_ids, pair.rejected_ids)} <= set(range(3, 9))
    assert made_up_pairs(tokenizer, case.images(4), (3, 8)) == pairs


def test_a_case_survives_the_command_line(case):
    assert Case.from_json(case.to_json()) == case


def test_random_answers_end_by_chance_or_never(case):
    def lengths(mean):
        vlm = models.ours(case)
        end_by_chance(vlm, mean)
        prefixes = [ours.prefix_of(vlm, "a", case.images(1)[0])]
        (pool,) = ours.sampled(vlm, prefixes, 64, 40, 0, 10**6)
        return [len(answer.token_ids) for answer in pool]

    assert set(lengths(0)) == {40}
    assert 3 < statistics.mean(lengths(6)) < 10


def test_weights_drawn_on_the_device_make_a_model_that_runs(case, tmp_path):
    drawn = case_of(replace(TINY, weights="device"), tmp_path)
    vlm = models.ours(drawn)
    ours.prepare(vlm)
    prefix = ours.prefix_of(vlm, "a", case.images(1)[0])
    (found,) = ours.logprobs_of(vlm, [prefix], [[[5, 6, 7]]])
    assert bool(torch.isfinite(found[0]).all()) and float(found[0].max()) < 0
    assert models.neighbour(drawn).base.config.text_config._attn_implementation == "sdpa"


def test_a_peak_is_seen_after_it_is_gone():
    memory.reset_peak()
    before = memory.peak()
    np.ones(64 * 2**20, dtype=np.uint8).sum()
    assert memory.peak() - before > 60 * 2**20
    memory.reset_peak()
    assert memory.peak() - before < 32 * 2**20
