"""Promises of packed branches: values and gradients of plain passes, without a [B, T, V] tensor."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from groundtune.errors import RecordError
from groundtune.vlm import attention, branches, head
from groundtune.vlm.branches import branch_logprobs, branch_next_logprobs, sharing_is_exact
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.packing import PackedLayout, Row, firsts, plan_batches, plan_rows, positions
from groundtune.vlm.plain import plain_logprobs, plain_next_logprobs
from groundtune.vlm.prefix_sharing import shared_prefixes, split_on_prefix
from groundtune.vlm.prompt import encode_prefix
from tests.unit.vlm.conftest import picture, prompts, random_branches

LENGTHS = [[3, 1, 0, 7], [12], [], [2, 2, 5]]
LINEAR_LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def largest_difference(found, expected) -> float:
    pairs = [pair for a, b in zip(found, expected, strict=True) for pair in zip(a, b, strict=True)]
    assert all(a.shape == b.shape and a.dtype == torch.float32 for a, b in pairs)
    return max(float((a - b).abs().max()) for a, b in pairs if len(a))


@torch.no_grad()
@pytest.mark.parametrize("token_budget", [1, 60, 150, 16384])
def test_branches_equal_plain_passes(vlm, token_budget):
    prefixes, answers = prompts(vlm), random_branches(vlm, LENGTHS)
    assert sharing_is_exact(vlm)
    found = branch_logprobs(vlm, prefixes, answers, token_budget=token_budget)
    assert [[len(values) for values in own] for own in found] == LENGTHS
    assert largest_difference(found, plain_logprobs(vlm, prefixes, answers)) <= 1e-5


@torch.no_grad()
@pytest.mark.parametrize("token_budget", [1, 16384])
def test_the_token_after_a_branch_equals_a_plain_pass(vlm, token_budget):
    prefixes, questions = prompts(vlm), random_branches(vlm, LENGTHS)
    listed = [7, 300, 7, 2]
    found = branch_next_logprobs(vlm, prefixes, questions, listed, token_budget=token_budget)
    assert largest_difference(found, plain_next_logprobs(vlm, prefixes, questions, listed)) <= 1e-5
    assert found[0][2].shape == (4,)  # an empty branch asks right after the prefix


@torch.no_grad()
def test_a_branch_does_not_depend_on_its_neighbours(vlm):
    prefixes = prompts(vlm, 1)
    own, others = random_branches(vlm, [[5], [5, 9, 2]])
    alone = branch_logprobs(vlm, prefixes, [own])[0][0]
    among = branch_logprobs(vlm, prefixes, [[*others, *own]])[0][-1]
    assert float((alone - among).abs().max()) <= 1e-5


@torch.no_grad()
def test_the_image_matters_to_the_log_probs(vlm):
    answers = random_branches(vlm, [[6], [6]])
    prefixes = [encode_prefix(vlm, "a", "What is it?", picture(seed)) for seed in (1, 2)]
    first, second = branch_logprobs(vlm, prefixes, [answers[0], answers[0]])
    assert float((first[0] - second[0]).abs().max()) > 1e-2


def test_gradients_equal_those_of_plain_passes(llava_path, llava_next_path):
    for path in (llava_path, llava_next_path):
        vlm = load_vlm(path, device="cpu")
        torch.manual_seed(0)
        lora = LoraConfig(r=4, target_modules=LINEAR_LAYERS, init_lora_weights=False)
        vlm.model = get_peft_model(vlm.model, lora)
        prefixes, answers = prompts(vlm, 2), random_branches(vlm, [[4, 7], [9, 3]])
        gradients = []
        for function in (branch_logprobs, plain_logprobs):
            vlm.model.zero_grad()
            chosen_rejected = function(vlm, prefixes, answers)
            margins = torch.stack([chosen.sum() - rejected.sum() for chosen, rejected in chosen_rejected])
            (-torch.nn.functional.logsigmoid(0.1 * margins)).sum().backward()
            gradients.append(torch.cat([w.grad.flatten() for w in vlm.model.parameters() if w.grad is not None]))
        packed, plain = gradients
        assert plain.abs().max() > 0
        assert float((packed - plain).norm() / plain.norm()) <= 1e-5


def test_gradient_checkpointing_changes_no_gradient(llava_path):
    gradients = []
    for checkpointing in (False, True):
        vlm = load_vlm(llava_path, device="cpu")
        torch.manual_seed(0)
        lora = LoraConfig(r=4, target_modules=LINEAR_LAYERS, init_lora_weights=False)
        vlm.model = get_peft_model(vlm.model, lora)
        if checkpointing:
            vlm.base.gradient_checkpointing_enable({"use_reentrant": False})
        vlm.model.train()
        torch.cat(branch_logprobs(vlm, prompts(vlm, 1), random_branches(vlm, [[4, 7]]))[0]).sum().backward()
        gradients.append(torch.cat([w.grad.flatten() for w in vlm.model.parameters() if w.grad is not None]))
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) <= 1e-5


def test_logits_exist_for_answer_positions_only_and_in_chunks(llava, monkeypatch):
    seen = []
    original = llava.model.lm_head.forward
    monkeypatch.setattr(head, "HEAD_POSITIONS", 4)
    monkeypatch.setattr(llava.model.lm_head, "forward", lambda x: seen.append(x.shape[:-1]) or original(x))
    assert sharing_is_exact(llava)
    seen.clear()
    with torch.no_grad():
        branch_logprobs(llava, prompts(llava), random_branches(llava, LENGTHS))
    assert all(len(shape) == 1 and shape[0] <= 4 for shape in seen)
    assert sum(shape[0] for shape in seen) == sum(map(sum, LENGTHS))


def test_tokens_of_a_pass_stay_within_the_budget_and_none_are_padding(llava, monkeypatch):
    lengths = [[5, 90, 3], [40, 40], [1], [200]]
    rows = plan_rows([30, 50, 10, 20], lengths, 128)
    batches = plan_batches(rows, 128)
    for batch in batches:
        assert len(batch) == 1 or sum(row.length for row in batch) <= 128
    placed = sorted((row.prefix, j) for batch in batches for row in batch for j in row.branches)
    assert placed == [(i, j) for i, own in enumerate(lengths) for j in range(len(own))]
    passes = []
    usual = attention.run
    monkeypatch.setattr(attention, "run", lambda d, x, *rest: passes.append(len(x)) or usual(d, x, *rest))
    assert sharing_is_exact(llava)
    passes.clear()
    prefixes, answers = prompts(llava), random_branches(llava, LENGTHS)
    with torch.no_grad():
        branch_logprobs(llava, prefixes, answers)
    asked = [(len(prefix), own) for prefix, own in zip(prefixes, LENGTHS, strict=True) if own]
    assert passes == [sum(length + sum(max(0, n - 1) for n in own) for length, own in asked)]


def test_short_rows_fill_the_room_that_long_ones_leave():
    batches = plan_batches([Row(i, length, (), ()) for i, length in enumerate([600, 700, 300, 400, 90])], 1000)
    assert [[row.length for row in batch] for batch in batches] == [[700, 300], [600, 400], [90]]


@pytest.mark.parametrize("lengths", [(2, 1), (3, 3, 3, 3, 3), (0, 9, 0, 1), (40,)])
def test_branches_do_not_see_each_other_and_restart_their_positions(lengths):
    """Against the definition, token by token: who changes when one token's value changes?"""
    rows = [Row(0, 4, tuple(range(len(lengths))), lengths), Row(1, 6, (0,), (2,))]
    member = [(r, -1 if t < row.prefix_length else j, t) for r, row in enumerate(rows) for j, t in places(row)]
    assert positions(rows).tolist() == [
        t if j < 0 else rows[r].prefix_length + t - rows[r].starts()[j] for r, j, t in member
    ]
    layout = PackedLayout(rows, torch.float64, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, len(member), 8, generator=generator, dtype=torch.float64) for _ in range(3))
    before = layout.attend(0, query, key, value, 0.3)
    for changed, (r, j, t) in enumerate(member):
        other = value.clone()
        other[:, :, changed] += 1
        moved = (layout.attend(0, query, key, other, 0.3) != before).any(-1).any(1)[0].tolist()
        assert moved == [r == r2 and t2 >= t and (j < 0 or j == j2) for r2, j2, t2 in member]


def places(row: Row) -> list[tuple[int, int]]:
    """(branch or -1, index in the row) of every token of a row."""
    found = [(-1, t) for t in range(row.prefix_length)]
    for j, (start, length) in enumerate(zip(row.starts(), row.branch_lengths, strict=True)):
        found += [(j, start + t) for t in range(length)]
    return found


def test_rows_lie_end_to_end():
    rows = plan_rows([3, 2, 4], [[1, 2], [5], []], 100)
    assert firsts(rows) == [0, 6]
    assert firsts([]) == []


@torch.no_grad()
def test_a_model_for_which_sharing_is_not_exact_takes_plain_passes(llava_path, monkeypatch, caplog):
    def leaking(self, layer, query, key, value, scaling):  # a bug, or a family that sees all that came before
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)

    vlm = load_vlm(llava_path, device="cpu")
    monkeypatch.setattr(PackedLayout, "attend", leaking)
    assert not sharing_is_exact(vlm)
    assert "one pass an answer instead" in caplog.text
    prefixes, answers = prompts(vlm), random_branches(vlm, LENGTHS)
    found = branch_logprobs(vlm, prefixes, answers)
    assert largest_difference(found, plain_logprobs(vlm, prefixes, answers)) <= 1e-6
    found = branch_next_logprobs(vlm, prefixes, answers, [5, 6])
    assert largest_difference(found, plain_next_logprobs(vlm, prefixes, answers, [5, 6])) <= 1e-6


@torch.no_grad()
def test_an_answer_beyond_a_sliding_window_takes_a_plain_pass(llava_path, monkeypatch):
    vlm = load_vlm(llava_path, device="cpu")
    assert sharing_is_exact(vlm)
    monkeypatch.setattr(vlm.config.get_text_config(), "sliding_window", 32, raising=False)
    used = []
    monkeypatch.setattr(branches, "plain_logprobs", lambda *a: used.append(1) or plain_logprobs(*a))
    branch_logprobs(vlm, prompts(vlm, 2), random_branches(vlm, [[40], [2]]))
    assert len(used) >= 1


@torch.no_grad()
def test_bfloat16_gives_float32_log_probs_close_to_plain(llava_path):
    vlm = load_vlm(llava_path, device="cpu", dtype="bfloat16")
    assert sharing_is_exact(vlm)
    prefixes, answers = prompts(vlm), random_branches(vlm, LENGTHS)
    found = branch_logprobs(vlm, prefixes, answers)
    assert largest_difference(found, plain_logprobs(vlm, prefixes, answers)) <= 0.2


def test_an_answer_that_holds_the_image_token_is_refused(llava):
    image_token = llava.config.image_token_id
    with pytest.raises(RecordError, match=r'id="r0".*image token'):
        branch_logprobs(llava, prompts(llava, 1), [[[5, image_token]]])


@torch.no_grad()
def test_questions_about_one_image_share_image_and_opening_words(vlm):
    questions = ["Is there a cat in the image?", "Is there a dog in the image?", "Is there a cat?"]
    prefixes = [encode_prefix(vlm, q, q, picture(3)) for q in questions]
    (one,) = shared_prefixes(prefixes)
    assert len(one.head) + len(one.branches[0]) == len(prefixes[0])
    assert all(len(branch) < 25 for branch in one.branches)  # the image is in the shared part
    packed = torch.stack(branch_next_logprobs(vlm, [one.head], [one.branches], [5, 9])[0])
    single = torch.stack([own[0] for own in plain_next_logprobs(vlm, prefixes, [[[]]] * 3, [5, 9])])
    assert float((packed - single).abs().max()) <= 1e-5


def test_only_prompts_about_one_image_share_and_each_keeps_what_it_must(llava):
    prefixes = [encode_prefix(llava, q, q, picture(seed)) for q, seed in (("hi", 1), ("hi", 2), ("hi", 1))]
    first, second = shared_prefixes(prefixes, least=1)
    assert (first.members, second.members) == ([0, 2], [1])
    for one in (first, second):
        for member, branch in zip(one.members, one.branches, strict=True):
            assert one.head.input_ids.tolist() + branch == prefixes[member].input_ids.tolist()
            assert len(branch) == 1
    assert shared_prefixes(prefixes)[0].branches == [[], []]


@pytest.mark.parametrize(
    ("sequences", "common", "rest"),
    [
        ([[1, 2, 3], [1, 2, 4, 5]], [1, 2], [[3], [4, 5]]),
        ([[1, 2], [1, 2, 3]], [1, 2], [[], [3]]),
        ([[1], [2]], [], [[1], [2]]),
        ([], [], []),
    ],
)
def test_sequences_split_on_their_longest_common_start(sequences, common, rest):
    assert split_on_prefix(sequences) == (common, rest)
