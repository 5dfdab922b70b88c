"""Promises of the modality-fair objective: terms by hand, equality with plain passes, curriculum, resume."""

import json

import pytest
import torch
import torch.nn.functional as F

from groundtune.errors import ArtifactError, RecordError
from groundtune.preferences import selection
from groundtune.preferences.image_preference import reference as image_reference
from groundtune.preferences.image_preference import stage as image_stage
from groundtune.settings import TrainingSettings
from groundtune.training import branch_rewards, objective, pair_trainer, refreshed_reference, stage
from groundtune.training.pair_data import read_pair_data
from groundtune.training.pair_model import PairModel
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.plain import plain_logprobs
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import SELECTION, up_to_pairs

SETTINGS = {
    "pairs_per_step": 2, "pairs_per_microbatch": 2, "epochs": 3, "lora_rank": 4, "lora_alpha": 8,
    "learning_rate": 5e-3, "checkpoint_every": 2,
}  # fmt: skip


class Run:
    """A small run with two curriculum stages and a corrupted image for every pair."""

    def __init__(self, root):
        self.small = up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))
        self.pairs, self.images, self.reference = root / "staged", root / "image_pairs", root / "image_reference"
        selection.run(root / "scores", self.pairs, {**SELECTION, "curriculum_stages": 2})
        small = self.small
        models = {"patch_similarity": str(small.clip)}
        settings = {"tagger": "plain", "least_score": 0.0}
        image_stage.run(small.prompts, self.pairs, str(root), models, self.images, settings)
        image_reference.run(small.prompts, self.pairs, self.images, str(small.model), self.reference, {})

    def train(self, out, with_images=True, **changes):
        kept = {"image_pairs": [self.images], "image_reference": [self.reference]} if with_images else {}
        return stage.run(
            self.small.prompts, self.small.shards("confidence"), self.pairs, str(self.small.root),
            str(self.small.model), out, {**SETTINGS, **changes}, **kept,
        )  # fmt: skip

    def data(self, vlm, settings):
        return read_pair_data(
            vlm, self.small.prompts, self.pairs, self.small.shards("confidence"), str(self.small.root), settings,
            [self.images], [self.reference],
        )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory):
    return run.train(tmp_path_factory.mktemp("trained") / "adapter")


def weights_of(artifact):
    from safetensors.torch import load_file

    return load_file(artifact.path / "adapter_model.safetensors")


def log_of(artifact):
    return [json.loads(line) for line in (artifact.path / "training_log.jsonl").read_text().splitlines()]


def test_the_image_term_and_its_gradient_by_hand():
    chosen = torch.tensor([0.3, 2.0], requires_grad=True)
    corrupted = torch.tensor([-0.2, 3.0], requires_grad=True)
    term = objective.image_term(chosen, corrupted)
    torch.testing.assert_close(term.detach(), torch.tensor([0.4740770, 1.3132617]))
    term.sum().backward()
    slope = torch.sigmoid(torch.tensor([-0.5, 1.0]))
    torch.testing.assert_close(chosen.grad, -slope)
    torch.testing.assert_close(corrupted.grad, slope)


def test_the_step_equals_three_plain_passes_with_adapters_off_for_the_reference(run):
    weights = {"text_weight": 0.7, "image_weight": 1.3, "anchor_weight": 0.5}
    settings = TrainingSettings(**{**SETTINGS, **weights, "pairs_per_step": 3, "pairs_per_microbatch": 3})
    vlm = load_vlm(run.small.model)
    data = run.data(vlm, settings)
    stage.add_lora(vlm, settings)
    for name, parameter in vlm.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    examples = [data[i] for i in range(3)]
    trainer = pair_trainer.PairTrainer(PairModel(vlm), data, settings, run.small.root / "unused")
    packed = trainer.compute_loss(trainer.model, {"pairs": examples, "counts": True})
    packed.backward()
    gradients = {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
    vlm.model.zero_grad()

    def sums(example):
        clean = plain_logprobs(vlm, [example.prefix], [[example.chosen, example.rejected]])[0]
        return [values.sum() for values in (*clean, plain_logprobs(vlm, [example.corrupted], [[example.chosen]])[0][0])]

    losses = []
    for example in examples:
        policy = sums(example)
        with torch.no_grad(), vlm.model.disable_adapter():
            base = sums(example)
        w, lost, m = (settings.beta * (new - old) for new, old in zip(policy, base, strict=True))
        losses.append(-0.7 * F.logsigmoid(w - lost) - 1.3 * F.logsigmoid(w - m) - 0.5 * F.logsigmoid(w))
    plain = torch.stack(losses).mean()
    plain.backward()
    torch.testing.assert_close(packed, plain, atol=2e-6, rtol=1e-6)
    scale = max(float(g.abs().max()) for g in gradients.values())
    for name, parameter in vlm.model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, atol=2e-5 * scale, rtol=1e-4)


def test_text_only_is_plain_dpo_bit_for_bit(run, tmp_path):
    """With image pairs at weight 0, without them, and by DPO's own formula: the same weights to the last bit."""
    off = {"anchor_weight": 0.0, "image_weight": 0.0}
    with_images, without = run.train(tmp_path / "a", **off), run.train(tmp_path / "b", with_images=False, **off)
    assert with_images.digest == without.digest
    wrapped = pair_trainer.PairTrainer._loss

    def dpo(trainer, rewards):
        wrapped(trainer, rewards)  # for the log only
        return -F.logsigmoid(rewards.chosen - rewards.rejected)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_trainer.PairTrainer, "_loss", dpo)
        formula = run.train(tmp_path / "c", **off)
    for name, weight in weights_of(formula).items():
        assert torch.equal(weight, weights_of(with_images)[name])


def test_the_image_term_alone_widens_the_image_gap(run, tmp_path):
    log = log_of(run.train(tmp_path / "a", text_weight=0.0, anchor_weight=0.0, learning_rate=2e-2))
    gaps = [record["reward_image_gap"] for record in log]
    assert sum(gaps[-4:]) / 4 > max(0.01, gaps[0])


def test_every_term_and_reward_is_logged(trained, run):
    log = log_of(trained)
    assert all({*stage.LOG_FIELDS, *stage.IMAGE_FIELDS} <= set(record) for record in log)
    assert log[0]["reward_image_gap"] == pytest.approx(0, abs=1e-5)
    assert log[0]["image_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert [record["curriculum_stage"] for record in log] == sorted(record["curriculum_stage"] for record in log)
    assert {record["curriculum_stage"] for record in log} == {1, 2}
    assert trained.results["image_pairs"] == trained.results["pairs"]
    assert trained.manifest["parents"].keys() == {"pairs", "model", "image_pairs"}


@pytest.mark.parametrize("changes", [{}, {"refresh_reference": True, "restart_schedule": True}])
def test_a_killed_training_resumes_to_the_same_digest(run, tmp_path, monkeypatch, changes):
    whole = run.train(tmp_path / "whole", **changes)
    step = pair_trainer.PairTrainer.training_step

    def dies(self, *given, **named):
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pair_trainer.PairTrainer, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            run.train(tmp_path / "a", **changes)
    assert run.train(tmp_path / "a", **changes).digest == whole.digest


def test_a_refreshed_reference_starts_the_next_stage_at_zero_reward(trained, run, tmp_path):
    refreshed = log_of(run.train(tmp_path / "a", refresh_reference=True))
    kept = log_of(trained)
    first = next(i for i, record in enumerate(kept) if record["curriculum_stage"] == 2)
    assert refreshed[first]["reward_margin"] == pytest.approx(0, abs=1e-4)
    assert refreshed[first]["reward_image_gap"] == pytest.approx(0, abs=1e-4)
    assert abs(kept[first]["reward_margin"]) > 1e-3, "without it the rewards go on"
    assert [r["loss"] for r in refreshed[:first]] == [r["loss"] for r in kept[:first]]


def test_a_pair_that_the_refreshed_reference_lacks_is_refused(run, tmp_path, monkeypatch):
    """A run that is killed goes on with the references that it kept; one is taken out of them meanwhile."""
    step, keep = pair_trainer.PairTrainer.training_step, refreshed_reference.save_file

    def dies(self, *given, **named):
        if self.state.global_step == 7:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    def keeps_less(kept, file):
        gone = min(kept).rpartition("|")[0]
        keep({name: values for name, values in kept.items() if not name.startswith(f"{gone}|")}, file)

    with monkeypatch.context() as patch:
        patch.setattr(pair_trainer.PairTrainer, "training_step", dies)
        patch.setattr(refreshed_reference, "save_file", keeps_less)
        with pytest.raises(KeyboardInterrupt):
            run.train(tmp_path / "a", refresh_reference=True, checkpoint_every=1)
    with pytest.raises(ArtifactError, match='the refreshed reference lacks "p.*; delete this'):
        run.train(tmp_path / "a", refresh_reference=True, checkpoint_every=1)


def test_the_schedule_can_start_anew_in_each_stage(run, tmp_path):
    log = log_of(run.train(tmp_path / "a", restart_schedule=True, warmup_ratio=0.0))
    rates, stages = ([record[name] for record in log] for name in ("learning_rate", "curriculum_stage"))
    first = stages.index(2)
    assert first > 1 and rates[first] == pytest.approx(rates[0]) and rates[first] > rates[first - 1]


def test_a_pair_without_corrupted_image_trains_on_its_text(run):
    settings = TrainingSettings(**SETTINGS)
    vlm = load_vlm(run.small.model)
    data = run.data(vlm, settings)
    pairs = [data.example(0), data.example(1)]
    data.corrupted.rows.pop(pairs[1].pair_id)
    pairs[1] = data.example(1)
    assert pairs[1].corrupted is None
    policy = branch_rewards.pair_logprobs(vlm, pairs)
    rewards = branch_rewards.rewards_of(pairs, policy, [branch_rewards.references_of(p) for p in pairs], 0.1)
    assert rewards.with_image.tolist() == [0] and rewards.corrupted.shape == (1,) and rewards.chosen.shape == (2,)


def test_a_reward_that_is_not_a_number_names_its_pair(run):
    settings = TrainingSettings(**SETTINGS)
    vlm = load_vlm(run.small.model)
    data = run.data(vlm, settings)
    pairs = [data.example(0), data.example(1)]
    policy = branch_rewards.pair_logprobs(vlm, pairs)
    reference = [branch_rewards.references_of(pair) for pair in pairs]
    broken = branch_rewards.PairLogprobs(policy[1].chosen * torch.nan, policy[1].rejected, policy[1].corrupted)
    with pytest.raises(RecordError, match=rf'id="{pairs[1].pair_id}": reward: of the chosen branch is nan'):
        branch_rewards.rewards_of(pairs, [policy[0], broken], reference, 0.1)


def test_images_of_other_pairs_are_refused(run, tmp_path):
    with pytest.raises(ArtifactError, match="the corrupted images are of other pairs"):
        stage.run(
            run.small.prompts, run.small.shards("confidence"), run.small.pairs, str(run.small.root),
            str(run.small.model), tmp_path / "a", SETTINGS, image_pairs=[run.images], image_reference=[run.reference],
        )  # fmt: skip


def test_a_reference_of_other_corrupted_images_is_refused(run, tmp_path):
    small = run.small
    models, settings = {"patch_similarity": str(small.clip)}, {"tagger": "plain", "least_score": 0.0, "seed": 7}
    other = image_stage.run(small.prompts, run.pairs, str(small.root), models, tmp_path / "images", settings)
    with pytest.raises(ArtifactError, match="of other corrupted images than"):
        stage.run(
            small.prompts, small.shards("confidence"), run.pairs, str(small.root), str(small.model), tmp_path / "a",
            SETTINGS, image_pairs=[other.path], image_reference=[run.reference],
        )  # fmt: skip
    with pytest.raises(ArtifactError, match="without their reference; run score_corrupted"):
        stage.run(
            small.prompts, small.shards("confidence"), run.pairs, str(small.root), str(small.model), tmp_path / "a",
            SETTINGS, image_pairs=[other.path],
        )  # fmt: skip


def test_a_corruption_that_the_processor_takes_away_does_not_count(run, monkeypatch):
    vlm = load_vlm(run.small.model)
    data = run.data(vlm, TrainingSettings(**SETTINGS))
    real = type(data)._corrupted
    clean = data.example(0).prefix
    monkeypatch.setattr(type(data), "_corrupted", lambda self, pair_id, prompt: (clean, real(self, pair_id, prompt)[1]))
    assert data.example(0).corrupted is None and data.unseen == {data.pairs[0]["pair_id"]}
