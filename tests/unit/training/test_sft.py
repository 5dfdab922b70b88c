"""Promises of supervised fine-tuning: the chosen ids token for token, a loss on them alone, resume, nobody is told."""

import json
import socket
import subprocess
import sys

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from groundtune.artifacts import read_artifact
from groundtune.errors import ArtifactError, RecordError, SettingError
from groundtune.folder_artifacts import read_folder
from groundtune.settings import TrainingSettings
from groundtune.training import sft, sft_trainer
from groundtune.training.chosen_answers import read_chosen_answers
from groundtune.training.lora import add_lora
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.plain import plain_logprobs
from tests.tiny_checkpoints import tiny_clip, tiny_llava, tiny_llava_next
from tests.unit.small_run import up_to_pairs

SETTINGS = {
    "pairs_per_step": 4, "pairs_per_microbatch": 2, "epochs": 3, "lora_rank": 4, "lora_alpha": 8,
    "learning_rate": 1e-2, "checkpoint_every": 2,
}  # fmt: skip
FAMILIES = {"llava": tiny_llava, "llava_next": tiny_llava_next}


@pytest.fixture(scope="module", params=FAMILIES)
def small(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, FAMILIES[request.param](root / "model"), tiny_clip(root / "clip"))


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "model"), tiny_clip(root / "clip"))


def train(run, out, **changes):
    return sft.run(run.prompts, run.pairs, str(run.root), str(run.model), out, {**SETTINGS, **changes})


@pytest.fixture(scope="module")
def trained(llava, tmp_path_factory):
    return train(llava, tmp_path_factory.mktemp("trained") / "adapter")


def chosen(run, **changes):
    """Examples, and the model with a LoRA that does something."""
    settings = TrainingSettings.of({**SETTINGS, **changes}, "test")
    vlm = load_vlm(run.model)
    data = read_chosen_answers(vlm, run.prompts, read_artifact(run.pairs, "pairs"), str(run.root), settings)
    add_lora(vlm, settings)
    for name, parameter in vlm.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return vlm, data, settings


def log_of(artifact):
    return [json.loads(line) for line in (artifact.path / "training_log.jsonl").read_text().splitlines()]


def weights_of(artifact):
    return load_file(artifact.path / "adapter_model.safetensors")


def test_every_sequence_is_the_prompts_prefix_and_the_sampled_ids(small):
    vlm, data, _ = chosen(small)
    places = list(range(4))
    batch = data.batch([{"place": place} for place in places])
    for row, place in enumerate(places):
        pair = data.pair(place)
        prefix, answer = data.prefix(pair).input_ids.tolist(), pair["chosen_tokens"]
        length = int(batch["attention_mask"][row].sum())
        assert batch["input_ids"][row, :length].tolist() == prefix + answer
        assert prefix.count(vlm.config.image_token_id) > 1
        labels = batch["labels"][row]
        assert labels[len(prefix) : length].tolist() == answer
        assert (labels[: len(prefix)] == -100).all() and (labels[length:] == -100).all()


def test_loss_and_gradient_are_those_of_plain_forward_passes(small):
    """TRL's loss of a padded batch against an ordinary pass an answer, by our own reference."""
    vlm, data, settings = chosen(small)
    trainer = sft_trainer.ChosenTrainer(data, settings, small.root / "unused")
    pairs = [data.pair(place) for place in range(4)]
    assert len({len(pair["chosen_tokens"]) + len(data.prefix(pair)) for pair in pairs}) > 1, "some rows are padded"
    tokens = sum(len(pair["chosen_tokens"]) for pair in pairs)
    loss = trainer.compute_loss(vlm.model, data.batch([{"place": place} for place in range(4)]))
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
    vlm.model.zero_grad()
    prefixes, answers = [data.prefix(pair) for pair in pairs], [[pair["chosen_tokens"]] for pair in pairs]
    plain = -sum(row[0].sum() for row in plain_logprobs(vlm, prefixes, answers)) / tokens
    plain.backward()
    torch.testing.assert_close(loss, plain, atol=1e-5, rtol=1e-5)
    scale = max(float(g.abs().max()) for g in gradients.values())
    assert scale > 0 and "lora" in next(iter(gradients))
    for name, parameter in vlm.model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-5 * scale, rtol=1e-3)


def test_the_chosen_answers_become_likelier(llava, trained):
    log = log_of(trained)
    assert [record["step"] for record in log] == list(range(1, len(log) + 1))
    assert all(set(sft.FIELDS) <= set(record) for record in log)
    assert log[-1]["loss"] < log[0]["loss"] - 0.05
    base = AutoModelForImageTextToText.from_pretrained(llava.model)
    PeftModel.from_pretrained(base, trained.path)  # plain peft reads it


def test_the_manifest_counts_what_was_learnt_from(llava, trained):
    found = read_folder(trained.path, "adapter")
    pairs = list(read_artifact(llava.pairs, "pairs").rows())
    tokens = sum(len(pair["chosen_tokens"]) for pair in pairs)
    assert found.results["pairs"] == len(pairs) and found.results["answer_tokens"] == 3 * tokens
    assert log_of(trained)[-1]["answer_tokens"] == 3 * tokens and found.results["steps"] == len(log_of(trained))
    assert found.settings["trainer"] == "sft" and found.manifest["parents"].keys() == {"pairs", "model"}
    assert {file.suffix for file in trained.path.iterdir()} <= {".json", ".jsonl", ".safetensors", ".md"}


def test_a_budget_of_answer_tokens_ends_the_training_whatever_the_epochs(llava, tmp_path):
    made = train(llava, tmp_path / "a", answer_tokens=100)
    longest = max(len(pair["chosen_tokens"]) for pair in read_artifact(llava.pairs, "pairs").rows())
    assert 100 <= made.results["answer_tokens"] < 100 + longest


def test_a_killed_training_resumes_to_the_same_digest(llava, trained, tmp_path, monkeypatch):
    step = sft_trainer.ChosenTrainer.training_step

    def dies(self, *given, **named):
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(sft_trainer.ChosenTrainer, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            train(llava, tmp_path / "a")
    seen = []

    def counts(self, *given, **named):
        seen.append(self.state.global_step)
        return step(self, *given, **named)

    monkeypatch.setattr(sft_trainer.ChosenTrainer, "training_step", counts)
    resumed = train(llava, tmp_path / "a")
    assert min(seen) == 2, "it goes on from the checkpoint of step 2"
    assert resumed.digest == trained.digest
    same = [[{k: v for k, v in r.items() if k != "seconds"} for r in log_of(one)] for one in (resumed, trained)]
    assert same[0] == same[1]


def test_accumulated_microbatches_equal_one_batch(llava, trained, tmp_path):
    accumulated = weights_of(train(llava, tmp_path / "a", pairs_per_microbatch=1))
    for name, weight in weights_of(trained).items():
        torch.testing.assert_close(accumulated[name], weight, atol=2e-5, rtol=1e-3)


def test_activations_computed_again_give_the_same_adapter_without_the_tower(llava, trained, tmp_path, monkeypatch):
    asked = []
    loss = sft_trainer.ChosenTrainer.compute_loss

    def watched(self, model, inputs, *given, **named):
        image = model.get_base_model().model.get_image_features(pixel_values=inputs["pixel_values"])
        features = getattr(image, "pooler_output", image)
        asked.append(any(one.requires_grad for one in features))
        return loss(self, model, inputs, *given, **named)

    monkeypatch.setattr(sft_trainer.ChosenTrainer, "compute_loss", watched)
    again = weights_of(train(llava, tmp_path / "a", gradient_checkpointing=True))
    assert asked and not any(asked), "nothing of the frozen tower waits for a backward pass"
    for name, weight in weights_of(trained).items():
        torch.testing.assert_close(again[name], weight, atol=2e-5, rtol=1e-3)


def test_nobody_outside_is_told_of_a_training(llava, tmp_path, monkeypatch):
    reached = []

    def refuse(self, address, *rest):
        reached.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: reached.append(given) or [])
    for name in ("CI", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    train(llava, tmp_path / "a", epochs=1)
    assert not reached


def test_training_on_pairs_needs_no_trl():
    code = "import sys, groundtune.training.stage, groundtune.training.worker; print('trl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_loss_that_is_not_finite_names_its_pairs(llava):
    vlm, data, settings = chosen(llava)
    trainer = sft_trainer.ChosenTrainer(data, settings, llava.root / "unused")
    with torch.no_grad():
        next(p for name, p in vlm.model.named_parameters() if "lora_B" in name).fill_(float("nan"))
    name = data.pair(1)["pair_id"]
    with pytest.raises(RecordError, match=f'id="{name}": loss: is nan.*lower learning_rate'):
        trainer.compute_loss(vlm.model, data.batch([{"place": 1}]))


def test_a_wrong_setting_is_named(llava, tmp_path):
    with pytest.raises(SettingError, match="lora_targets"):
        train(llava, tmp_path / "a", lora_targets=["no_such_layer"])
    with pytest.raises(SettingError, match="restart_schedule"):
        train(llava, tmp_path / "a", restart_schedule=True)


def test_pairs_of_other_prompts_are_refused(llava, tmp_path, tmp_path_factory):
    from groundtune.prompts import prepare
    from tests.unit.small_run import write_prompts

    other = tmp_path_factory.mktemp("other")
    source = write_prompts(other, count=1)
    prepare.run(str(source), str(other), str(llava.model), other / "prompts", {})
    with pytest.raises(ArtifactError, match="its prompt is not in"):
        sft.run(other / "prompts", llava.pairs, str(llava.root), str(llava.model), tmp_path / "a", SETTINGS)
