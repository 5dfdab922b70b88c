"""The count of useful operations is what torch counts, less what is computed twice."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.engine import flops, limits, models, ours
from bench.engine.case_files import case_of
from bench.engine.sizes import SIZES
from bench.engine.workload import made_up_pairs

TINY = SIZES["tiny"]


def test_pairs_of_positions_by_hand():
    row = flops.PackedRow(3, (2, 3))  # an answer's last token is predicted, not read
    assert row.tokens == 3 + 1 + 2 and row.scored == 5
    assert row.seen == 6 + (3 + 1) + (2 * 3 + 3)


def test_the_count_of_a_step_is_what_torch_counts(tmp_path):
    """Matrix products of forward and backward; attention is counted apart, since its kernels differ."""
    case = case_of(TINY, tmp_path)
    vlm = models.ours(case)
    ours.prepare(vlm)
    ours.keep_features(vlm, tmp_path)
    pairs = made_up_pairs(vlm.tokenizer, case.images(2), TINY.answer)
    settings = ours.training_settings(2, TINY.lora_rank)
    data = ours.Pairs(vlm, pairs, ours.references(vlm, pairs, 2), 2).prepared()
    ours.add_adapter(vlm, settings)
    trainer = ours.trainer_of(vlm, data, settings, tmp_path, ours.TrainerCallback())
    with FlopCounterMode(display=False) as counter:
        trainer.compute_loss(trainer.model, {"pairs": [data[0], data[1]], "counts": True}).backward()
    products = {torch.ops.aten.mm, torch.ops.aten.addmm}
    counted = sum(count for operation, count in counter.get_flop_counts()["Global"].items() if operation in products)
    rows = [flops.PackedRow(len(one.prefix), (len(one.chosen), len(one.rejected))) for one in data.kept]
    attention = sum(row.seen for row in rows) * 12 * TINY.hidden * TINY.layers
    again = sum(row.scored for row in rows) * 2 * TINY.hidden * TINY.vocabulary  # the head's chunks, in the backward
    assert counted == pytest.approx(flops.training_step(TINY, rows) - attention + again, rel=0.01)


def test_a_decoding_step_is_limited_by_what_it_reads_or_by_what_it_computes():
    size = SIZES["llava-7b"]
    card = limits.of_card("NVIDIA H200")
    few, why_few = limits.decoding_seconds(size, card, 1, 1, 600, 128, 2)
    many, why_many = limits.decoding_seconds(size, card, 64, 32, 600, 128, 2)
    assert (why_few, why_many) == ("bandwidth", "arithmetic") and few < many
    assert few == pytest.approx(13.5e9 / 4.8e12, rel=0.1), "the weights alone, once"
    assert limits.of_card("a card of nobody") == limits.Limit(0.0, 0.0)
