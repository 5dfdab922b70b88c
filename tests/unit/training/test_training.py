"""Promises of training: the objective by hand, plain DPO equality, resume, a stale reference, a standard adapter."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import modeling_utils

from groundtune.artifacts import read_artifact
from groundtune.errors import ArtifactError, SettingError
from groundtune.folder_artifacts import read_folder
from groundtune.training import branch_rewards, callbacks, objective, pair_trainer, stage
from groundtune.training.pair_data import read_pair_data
from groundtune.training.pair_model import PairModel
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs

SETTINGS = {
    "pairs_per_step": 2, "pairs_per_microbatch": 2, "epochs": 2, "lora_rank": 4, "lora_alpha": 8,
    "learning_rate": 2e-3, "checkpoint_every": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))


def train(small, out, **changes):
    return stage.run(
        small.prompts, small.shards("confidence"), small.pairs, str(small.root),
        str(small.model), out, {**SETTINGS, **changes},
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    return train(small, tmp_path_factory.mktemp("trained") / "adapter")


def log_of(artifact):
    return [json.loads(line) for line in (artifact.path / "training_log.jsonl").read_text().splitlines()]


def timeless(record):
    return {name: value for name, value in record.items() if name not in ("seconds", "tokens_per_second")}


def weights_of(artifact):
    from safetensors.torch import load_file

    return load_file(artifact.path / "adapter_model.safetensors")


def test_the_terms_by_hand():
    chosen, rejected = torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0])
    expected = torch.tensor([0.6931472, 0.3132617])
    torch.testing.assert_close(objective.text_term(chosen, rejected), expected)
    torch.testing.assert_close(objective.margin_term(chosen, 1.0), torch.tensor([1.3132617, 0.3132617]))
    torch.testing.assert_close(objective.reward(torch.tensor([2.0]), 0.5), torch.tensor([1.0]))


def test_gradients_of_the_terms_by_hand():
    chosen = torch.tensor([0.3], requires_grad=True)
    rejected = torch.tensor([-0.2], requires_grad=True)
    objective.text_term(chosen, rejected).sum().backward()
    slope = torch.sigmoid(torch.tensor(-0.5))
    torch.testing.assert_close(chosen.grad, -slope[None])
    torch.testing.assert_close(rejected.grad, slope[None])


def test_kl_estimate_is_zero_at_the_reference_and_never_negative():
    assert float(objective.token_kl(torch.zeros(50))) == 0.0
    assert float(objective.token_kl(torch.randn(50))) > 0


def test_training_widens_the_margin_and_logs_every_step(trained, small):
    log = log_of(trained)
    assert [record["step"] for record in log] == list(range(1, len(log) + 1))
    assert all(set(stage.LOG_FIELDS) <= set(record) for record in log)
    assert log[0]["reward_chosen"] == pytest.approx(0, abs=1e-5), "the policy starts as the reference"
    assert log[0]["dpo_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert log[-1]["reward_margin"] > 0.1 and log[-1]["kl"] > 0


def test_a_killed_training_resumes_to_the_same_digest(trained, small, tmp_path, monkeypatch):
    step = pair_trainer.PairTrainer.training_step

    def dies(self, *given, **named):
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pair_trainer.PairTrainer, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            train(small, tmp_path / "a")
    seen = []

    def counts(self, *given, **named):
        seen.append(self.state.global_step)
        return step(self, *given, **named)

    monkeypatch.setattr(pair_trainer.PairTrainer, "training_step", counts)
    resumed = train(small, tmp_path / "a")
    assert min(seen) == 2, "it goes on from the checkpoint of step 2"
    assert resumed.digest == trained.digest
    assert [timeless(record) for record in log_of(resumed)] == [timeless(record) for record in log_of(trained)]


def test_a_checkpoint_that_was_cut_off_is_not_taken_up(tmp_path):
    for step, whole in ((2, True), (4, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if whole:
            (tmp_path / f"checkpoint-{step}" / callbacks.COMPLETE).touch()
    assert callbacks.last_complete_checkpoint(tmp_path).name == "checkpoint-2"


def test_accumulated_microbatches_equal_one_batch(trained, small, tmp_path):
    accumulated = weights_of(train(small, tmp_path / "a", pairs_per_microbatch=1))
    for name, weight in weights_of(trained).items():
        torch.testing.assert_close(accumulated[name], weight, atol=2e-5, rtol=1e-3)


def test_activations_computed_again_give_the_same_adapter(trained, small, tmp_path, monkeypatch):
    recomputed = []
    plain = modeling_utils.checkpoint

    def counted(*given, **named):
        recomputed.append(1)
        return plain(*given, **named)

    monkeypatch.setattr(modeling_utils, "checkpoint", counted)
    saving = train(small, tmp_path / "adapter", gradient_checkpointing=True)
    assert recomputed, "the setting has an effect"
    for name, weights in weights_of(trained).items():
        torch.testing.assert_close(weights_of(saving)[name], weights, rtol=1e-5, atol=1e-7)


def test_without_the_anchor_it_is_plain_dpo_to_the_last_digit(small):
    """One step against two ordinary passes an answer, adapters switched off for the reference."""
    from groundtune.settings import TrainingSettings
    from groundtune.vlm.loader import load_vlm
    from groundtune.vlm.plain import plain_logprobs

    settings = TrainingSettings(**{**SETTINGS, "anchor_weight": 0.0})
    vlm = load_vlm(small.model)
    data = read_pair_data(
        vlm, small.prompts, small.pairs, small.shards("confidence"), str(small.root),
        settings,
    )  # fmt: skip
    stage.add_lora(vlm, settings)
    for name, parameter in vlm.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    trainer = pair_trainer.PairTrainer(PairModel(vlm), data, settings, small.root / "unused")
    examples = [data[i] for i in range(2)]
    shared = trainer.compute_loss(trainer.model, {"pairs": examples, "counts": True})
    shared.backward()
    gradients = {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
    vlm.model.zero_grad()
    losses = []
    for example in examples:
        branches = [[example.chosen, example.rejected]]
        policy = [values.sum() for values in plain_logprobs(vlm, [example.prefix], branches)[0]]
        with torch.no_grad(), vlm.model.disable_adapter():
            reference = [values.sum() for values in plain_logprobs(vlm, [example.prefix], branches)[0]]
        margin = (policy[0] - reference[0]) - (policy[1] - reference[1])
        losses.append(-torch.nn.functional.logsigmoid(settings.beta * margin))
    plain = torch.stack(losses).mean()
    plain.backward()
    torch.testing.assert_close(shared, plain, atol=1e-6, rtol=1e-6)
    scale = max(float(g.abs().max()) for g in gradients.values())
    for name, parameter in vlm.model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-5 * scale, rtol=1e-4)


def test_plain_peft_and_transformers_load_the_adapter_without_groundtune(trained, small):
    code = f"""
import sys
from transformers import AutoModelForImageTextToText
from peft import PeftModel
base = AutoModelForImageTextToText.from_pretrained({str(small.model)!r})
model = PeftModel.from_pretrained(base, {str(trained.path)!r})
assert not any(name.startswith("groundtune") for name in sys.modules)
print(sum(p.abs().sum() for n, p in model.named_parameters() if "lora_B" in n).item() > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False)
    assert done.stdout.strip() == "True", done.stderr[-2000:]


def test_a_reference_of_another_model_is_refused_by_name(small, tmp_path):
    other = tiny_llava(tmp_path / "other", seed=7)
    with pytest.raises(ArtifactError, match="of another model than training starts from; run score_confidence"):
        stage.run(
            small.prompts, small.shards("confidence"), small.pairs, str(small.root),
            str(other), tmp_path / "a", SETTINGS,
        )  # fmt: skip


def test_a_reference_that_no_longer_agrees_with_the_model_is_refused(small, tmp_path, monkeypatch):
    real = branch_rewards.branch_logprobs
    moved = lambda *a, **k: [[v + 0.1 for v in row] for row in real(*a, **k)]  # noqa: E731
    monkeypatch.setattr(branch_rewards, "branch_logprobs", moved)
    with pytest.raises(ArtifactError, match="differ by 0.1 nats"):
        train(small, tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"lora_targets": ["no_such_layer"]}, "lora_targets"), ({"betta": 1}, "'betta'.*expected one of")],
)
def test_a_wrong_setting_is_named(small, tmp_path, changes, message):
    with pytest.raises(SettingError, match=message):
        train(small, tmp_path / "a", **changes)


def test_the_manifest_tells_where_the_adapter_comes_from(trained, small):
    found = read_folder(trained.path, "adapter")
    assert found.manifest["parents"].keys() == {"pairs", "model"}
    assert found.results["steps"] == len(log_of(trained)) and found.results["reference_difference"] < 1e-4
    assert {file.suffix for file in trained.path.iterdir()} <= {".json", ".jsonl", ".safetensors", ".md"}


def test_the_budget_of_answer_tokens_is_what_training_learns_from(small, trained, tmp_path):
    pairs = list(read_artifact(small.pairs, "pairs").rows())
    lengths = [len(pair[side]) for pair in pairs for side in ("chosen_tokens", "rejected_tokens")]
    assert trained.results["answer_tokens"] == 2 * sum(lengths), "two epochs"
    longer = train(small, tmp_path / "adapter", answer_tokens=3 * sum(lengths))
    assert 3 * sum(lengths) <= longer.results["answer_tokens"] < 3 * sum(lengths) + max(lengths) * 2
    assert longer.results["steps"] > trained.results["steps"]
    assert log_of(longer)[-1]["epoch"] == pytest.approx(3, abs=0.34)


def test_what_has_been_learnt_weighs_less():
    margin = torch.tensor([-2.0, 0.0, 2.0], requires_grad=True)
    torch.testing.assert_close(objective.adaptive_weight(margin, 0.0), torch.ones(3))
    weight = objective.adaptive_weight(margin, 2.0)
    assert not weight.requires_grad
    torch.testing.assert_close(weight, torch.tensor([1.7616**2, 1.0, 0.2384**2]), atol=1e-3, rtol=0)


def test_adaptive_weights_enter_the_loss_and_the_log(small, trained, tmp_path):
    adaptive = train(small, tmp_path / "adapter", adaptive_weight=1.0)
    log = log_of(adaptive)
    assert log[0]["adaptive_weight"] == pytest.approx(1, abs=1e-4), "at the start nothing is learnt"
    assert log[-1]["adaptive_weight"] < 1
    assert "adaptive_weight" not in log_of(trained)[0]
    assert adaptive.manifest["content_digest"] != trained.manifest["content_digest"]
