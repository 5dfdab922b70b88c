"""Promises of simulated RLHF: the pool's prefixes, a budget, the base as its reference, resume, nobody is told."""

import json
import socket

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from groundtune.artifacts import read_artifact
from groundtune.errors import RecordError, SettingError
from groundtune.folder_artifacts import read_folder
from groundtune.images import ImageStore
from groundtune.settings import SamplingSettings, TrainingSettings
from groundtune.settings.baselines import RlhfSettings
from groundtune.training import simulated_rlhf
from groundtune.training.curriculum import rate_factor
from groundtune.training.lora import add_lora
from groundtune.training.online_answers import OnlineAnswers, prompts_of
from groundtune.training.rlhf_trainer import PLACES, TRAINERS
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.plain import plain_logprobs
from tests.tiny_checkpoints import tiny_clip, tiny_llava, tiny_llava_next
from tests.unit.small_run import up_to_pairs

TRAINING = {
    "lora_rank": 4, "lora_alpha": 8, "learning_rate": 1e-2, "checkpoint_every": 2, "epochs": 1, "warmup_ratio": 0.0,
}  # fmt: skip
RLHF = {"group": 4, "prompts_per_step": 2, "answers_per_microbatch": 4}
SAMPLING = {"max_new_tokens": 60}  # a random model ends one answer in five by then
FAMILIES = {"llava": tiny_llava, "llava_next": tiny_llava_next}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "model"), tiny_clip(root / "clip"))


@pytest.fixture(scope="module", params=FAMILIES)
def either(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, FAMILIES[request.param](root / "model"), tiny_clip(root / "clip"))


def train(run, out, rlhf=None, sampling=None, **changes):
    return simulated_rlhf.run(
        run.prompts, run.pairs, run.shards("alignment"), {"contrastive": str(run.clip)}, str(run.root),
        str(run.model), out, {**TRAINING, **changes}, {**RLHF, **(rlhf or {})}, {**SAMPLING, **(sampling or {})}, {},
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    return train(small, tmp_path_factory.mktemp("trained") / "adapter")


def log_of(artifact):
    return [json.loads(line) for line in (artifact.path / "training_log.jsonl").read_text().splitlines()]


def trainer_of(run, reward, algorithm="grpo", sampling=None, **changes):
    """A trainer whose LoRA does something, so that the policy is not the reference."""
    training = TrainingSettings.of({**TRAINING, **changes}, "test")
    rlhf = RlhfSettings.of({**RLHF, "algorithm": algorithm}, "test")
    vlm = load_vlm(run.model)
    prompts = read_artifact(run.prompts, "prompts")
    store = ImageStore(str(run.root), attached=prompts.files)
    decoding = SamplingSettings.of({**SAMPLING, **(sampling or {})}, "test")
    asked = prompts_of(read_artifact(run.pairs, "pairs"), prompts)
    answers = OnlineAnswers(vlm, asked, store, decoding, rlhf.group, training.seed)
    add_lora(vlm, training)
    for name, parameter in vlm.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return TRAINERS[algorithm](answers, reward, training, rlhf, run.root / "unused")


def by_length(prompts, texts):
    """A reward whose effect one can see: shorter answers are better."""
    return [1 / (1 + len(text)) for text in texts]


def asked_once(trainer):
    """What TRL makes of the first step's answers, and (prefix, its answer) in the same order."""
    trainer.model.train()
    places = [place for place in range(2) for _ in range(4)]
    made = trainer._generate_and_score_completions([{"place": place} for place in places])
    rows = []
    for row, place in enumerate(made[PLACES].tolist()):
        drawn = made["completion_ids"][row].tolist()
        ends = [i for i, token in enumerate(drawn) if token == trainer.vlm.tokenizer.eos_token_id]
        rows.append((trainer.answers.prefix(place), drawn[: ends[0] + 1] if ends else drawn, bool(ends)))
    return made, rows


@pytest.mark.parametrize("algorithm", ["grpo", "rloo"])
def test_policy_and_reference_see_the_pools_prefix_and_the_sampled_ids(either, algorithm):
    """Log-probs in TRL's padded batches against a plain pass an answer, with LoRA and without it."""
    trainer = trainer_of(either, by_length, algorithm)
    vlm = trainer.vlm
    made, rows = asked_once(trainer)
    ids = torch.cat([made["prompt_ids"], made["completion_ids"]], dim=1)
    mask = torch.cat([made["prompt_mask"], made["completion_mask"]], dim=1)
    inputs = {name: value for name, value in made.items() if name in ("pixel_values", "image_sizes", "num_images")}
    policy = trainer._get_per_token_logps_and_entropies(
        trainer.model, ids, mask, made["completion_ids"].shape[1], **inputs
    )[0]
    learnt = 0
    for row, (prefix, answer, finished) in enumerate(rows):
        assert made["prompt_ids"][row][made["prompt_mask"][row] == 1].tolist() == prefix.input_ids.tolist()
        assert int(made["completion_mask"][row].sum()) == (len(answer) if finished else 0), "a cut answer is left out"
        if not finished:
            continue
        learnt += len(answer)
        plain = plain_logprobs(vlm, [prefix], [[answer]])[0][0]
        torch.testing.assert_close(policy[row, : len(answer)], plain, atol=2e-4, rtol=1e-4)
        if "ref_per_token_logps" in made:
            with torch.no_grad(), vlm.model.disable_adapter():
                base = plain_logprobs(vlm, [prefix], [[answer]])[0][0]
            torch.testing.assert_close(made["ref_per_token_logps"][row, : len(answer)], base, atol=2e-4, rtol=1e-4)
            assert not torch.allclose(base, plain, atol=1e-2), "LoRA does something"
    assert learnt and trainer.budget.learnt == learnt
    assert ("ref_per_token_logps" in made) == (algorithm == "grpo")


def test_an_answer_is_compared_with_the_others_to_its_prompt(small):
    trainer = trainer_of(small, by_length)
    made, _ = asked_once(trainer)
    texts = [trainer.answers.text(ids[mask == 1].tolist()) for ids, mask in zip(
        made["completion_ids"], torch.ones_like(made["completion_mask"]), strict=True)]  # fmt: skip
    rewards = torch.tensor(by_length([], texts)).view(2, 4)
    better = (rewards > rewards.mean(1, keepdim=True)).flatten()
    assert ((made["advantages"] > 0) == better).all() and better.any()
    torch.testing.assert_close(made["advantages"].view(2, 4).sum(1), torch.zeros(2), atol=1e-4, rtol=0)


def test_every_step_is_logged_and_plain_peft_reads_the_adapter(small, trained):
    log = log_of(trained)
    assert [record["step"] for record in log] == list(range(1, 5)), "8 prompts, 2 a step"
    assert all({*simulated_rlhf.FIELDS, "epoch"} == set(record) for record in log)
    assert log[0]["kl"] == 0, "the policy starts as the base model"
    names = load_file(trained.path / "adapter_model.safetensors")
    assert names and all("lora_" in name and "ref" not in name for name in names)
    PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(small.model), trained.path)
    assert {file.suffix for file in trained.path.iterdir()} <= {".json", ".jsonl", ".safetensors", ".md"}


def test_the_manifest_tells_what_was_rewarded_and_by_whom(trained):
    found = read_folder(trained.path, "adapter")
    assert found.settings["trainer"] == "simulated_rlhf" and found.settings["rlhf"]["algorithm"] == "grpo"
    assert found.manifest["parents"].keys() == {"pairs", "model", "alignment", "scorer.contrastive"}
    log = log_of(trained)
    assert found.results["answer_tokens"] == log[-1]["answer_tokens"] > 0
    assert (found.results["first_reward"], found.results["final_reward"]) == (log[0]["reward"], log[-1]["reward"])


def test_a_budget_ends_the_training_after_the_step_that_reaches_it(small, tmp_path):
    budget = 120
    log = log_of(train(small, tmp_path / "a", answer_tokens=budget, schedule="linear", rlhf={"kl": 0.0}))
    assert budget + SAMPLING["max_new_tokens"] > log[-1]["answer_tokens"] >= budget > log[-2]["answer_tokens"]
    assert "kl" not in log[0], "without its weight no reference is run"
    before = [0, *(record["answer_tokens"] for record in log[:-1])]
    expected = [1e-2 * rate_factor(tokens, budget, 0.0, "linear") for tokens in before]
    assert [record["learning_rate"] for record in log] == pytest.approx(expected), "the rate goes by tokens"


@pytest.mark.parametrize("algorithm", ["grpo", "rloo"])
def test_nothing_is_learnt_from_answers_beyond_the_budget(small, algorithm):
    """The gradient of the last step is that of the answers before, whatever the others were worth."""
    found = []
    for budget in (1, 10**6):
        trainer = trainer_of(small, by_length, algorithm, sampling={"max_new_tokens": 120}, answer_tokens=budget)
        trainer.current_gradient_accumulation_steps = 1  # as its loop sets it
        made, rows = asked_once(trainer)
        lengths = [len(answer) if finished else 0 for _, answer, finished in rows]
        assert sum(length > 0 for length in lengths) > 1, "more than one answer ended"
        first = next(i for i, length in enumerate(lengths) if length)
        if budget == 1:
            assert trainer.budget.learnt == lengths[first]
        else:
            for name in ("completion_mask", "advantages", "old_logps"):
                if name in made:
                    made[name][first + 1 :] = 0
        trainer.compute_loss(trainer.model, made).backward()
        found.append({name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None})
    assert max(float(grad.abs().max()) for grad in found[0].values()) > 0
    for name, grad in found[0].items():
        torch.testing.assert_close(grad, found[1][name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("budget", [0, 120])
def test_a_killed_training_resumes_to_the_same_digest(small, tmp_path, monkeypatch, budget):
    kind = TRAINERS["rloo"]
    whole = train(small, tmp_path / "whole", rlhf={"algorithm": "rloo"}, answer_tokens=budget)
    step = kind.training_step

    def dies(self, *given, **named):
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            train(small, tmp_path / "a", rlhf={"algorithm": "rloo"}, answer_tokens=budget)
    seen = []

    def counts(self, *given, **named):
        seen.append(self.state.global_step)
        return step(self, *given, **named)

    monkeypatch.setattr(kind, "training_step", counts)
    resumed = train(small, tmp_path / "a", rlhf={"algorithm": "rloo"}, answer_tokens=budget)
    assert min(seen) == 2, "it goes on from the checkpoint of step 2"
    assert resumed.digest == whole.digest
    same = [[{k: v for k, v in r.items() if k != "seconds"} for r in log_of(one)] for one in (resumed, whole)]
    assert same[0] == same[1]


def test_a_training_that_died_behind_its_last_step_takes_none_more(small, tmp_path, monkeypatch):
    every = {"answer_tokens": 60, "checkpoint_every": 1, "schedule": "constant"}
    whole = train(small, tmp_path / "whole", **every)
    with monkeypatch.context() as patch:
        patch.setattr(simulated_rlhf, "lora_weights", lambda vlm: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(small, tmp_path / "a", **every)
    resumed = train(small, tmp_path / "a", **every)
    assert (resumed.digest, resumed.results["steps"]) == (whole.digest, whole.results["steps"])


def test_nobody_outside_is_told_of_a_training(small, tmp_path, monkeypatch):
    reached = []

    def refuse(self, address, *rest):
        reached.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: reached.append(given) or [])
    for name in ("CI", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    train(small, tmp_path / "a")
    assert not reached


def test_answers_that_never_end_stop_the_training_by_name(small, tmp_path):
    with pytest.raises(SettingError, match="'max_new_tokens' is 1: expected enough for an answer to end"):
        train(small, tmp_path / "a", sampling={"max_new_tokens": 1})


def test_a_budget_out_of_reach_is_refused_at_the_end(small, tmp_path):
    with pytest.raises(SettingError, match="'answer_tokens' is 30: expected at most .* cut at max_new_tokens"):
        train(small, tmp_path / "a", answer_tokens=30, sampling={"max_new_tokens": 6})


def test_a_loss_that_is_not_finite_names_its_prompts(small):
    trainer = trainer_of(small, by_length)
    made, _ = asked_once(trainer)
    trainer.current_gradient_accumulation_steps = 1  # as its loop sets it
    made["advantages"][:] = float("nan")
    name = trainer.answers.prompt(0)["id"]
    with pytest.raises(RecordError, match="loss: is nan.*lower learning_rate") as refused:
        trainer.compute_loss(trainer.model, made)
    assert name in str(refused.value)
