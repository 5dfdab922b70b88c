"""Promises of the features on disk to the stages: what one has encoded no later one does, and no number changes."""

import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from groundtune import images
from groundtune.artifacts import read_artifact
from groundtune.candidates import confidence, sampling
from groundtune.errors import RecordError
from groundtune.preferences.image_preference import reference as image_reference
from groundtune.preferences.image_preference import stage as image_stage
from groundtune.settings import TrainingSettings
from groundtune.training import stage
from groundtune.training.pair_data import read_pair_data
from groundtune.vlm import families
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.features import image_features
from groundtune.vlm.loader import load_vlm
from tests.tiny_checkpoints import tiny_clip, tiny_llava, tiny_llava_next
from tests.unit.small_run import SAMPLING, up_to_pairs

TRAINING = {
    "pairs_per_step": 2, "pairs_per_microbatch": 2, "epochs": 2, "lora_rank": 4, "lora_alpha": 8,
    "learning_rate": 5e-3,
}  # fmt: skip


class Run:
    """A small run with a corrupted image for every pair, and its stages to be run again."""

    def __init__(self, root, make):
        self.small = up_to_pairs(root, make(root / "model"), tiny_clip(root / "clip"))
        self.image_pairs, self.reference = root / "image_pairs", root / "image_reference"
        models, settings = {"patch_similarity": str(self.small.clip)}, {"tagger": "plain", "least_score": 0.0}
        image_stage.run(self.small.prompts, self.small.pairs, str(root), models, self.image_pairs, settings)
        self.corrupted(self.reference, 2048)

    def sample(self, out, feature_cache):
        small = self.small
        settings = {**SAMPLING, "feature_cache": feature_cache}
        return sampling.run(small.prompts, str(small.root), str(small.model), out, settings)

    def confidence(self, out, feature_cache):
        small, settings = self.small, {"feature_cache": feature_cache}
        (candidates,) = small.shards("candidates")
        return confidence.run(small.prompts, candidates, str(small.root), str(small.model), out, settings)

    def corrupted(self, out, feature_cache):
        small, settings = self.small, {"feature_cache": feature_cache}
        return image_reference.run(small.prompts, small.pairs, self.image_pairs, str(small.model), out, settings)

    def train(self, out, feature_cache, **changes):
        small = self.small
        return stage.run(
            small.prompts, small.shards("confidence"), small.pairs, str(small.root), str(small.model), out,
            {**TRAINING, **changes, "feature_cache": feature_cache},
            image_pairs=[self.image_pairs], image_reference=[self.reference],
        )  # fmt: skip


@pytest.fixture(scope="module", params=[tiny_llava, tiny_llava_next])
def run(request, tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"), request.param)


@contextmanager
def counted():
    """What is done to images meanwhile."""
    counts = {"decoded": 0, "encoded": 0}
    decode, families_as_they_are = images.decode, dict(families.FAMILIES)

    def decoded(*given):
        counts["decoded"] += 1
        return decode(*given)

    def encoding(plain):
        def encoded(model, inputs):
            counts["encoded"] += 1
            return plain(model, inputs)

        return encoded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "decode", decoded)
        for name, family in families_as_they_are.items():
            patch.setitem(families.FAMILIES, name, replace(family, image_features=encoding(family.image_features)))
        yield counts


def test_what_one_stage_has_encoded_no_later_one_does(run, tmp_path):
    """Sampling meets every image first, and one more: the picture that sharing is tried on."""
    with counted() as first:
        run.sample(tmp_path / "candidates", 2048)
    assert first == {"decoded": 8, "encoded": 9}
    with counted() as second:
        run.confidence(tmp_path / "confidence", 2048)
    assert second == {"decoded": 0, "encoded": 0}
    with counted() as third:
        run.corrupted(tmp_path / "corrupted", 2048)
        corrupted = len(read_artifact(run.image_pairs, "image_pairs"))
    assert third == {"decoded": corrupted, "encoded": corrupted}
    with counted() as fourth:
        run.train(tmp_path / "adapter", 2048)
    pairs = len(read_artifact(run.small.pairs, "pairs"))
    sample = min(TrainingSettings().reference_sample, pairs)
    assert fourth["decoded"] <= 2 * sample, "the check of the reference, before the features are opened"
    assert fourth["encoded"] == fourth["decoded"] + 1


@pytest.mark.parametrize("name", ["sample", "confidence", "corrupted"])
def test_a_stage_writes_the_same_rows_with_and_without(run, tmp_path, name):
    without, filling, filled = (
        getattr(run, name)(tmp_path / out, size) for out, size in (("a", 0), ("b", 64), ("c", 64))
    )
    assert list(without.rows()) == list(filling.rows()) == list(filled.rows()) != []


def test_training_gives_the_same_weights_with_and_without(run, tmp_path):
    """Bit for bit: with none, while they are made, and when earlier stages have made them."""
    made = [run.train(tmp_path / out, size) for out, size in (("a", 0), ("b", 64), ("c", 64))]
    first, *others = (load_file(artifact.path / "adapter_model.safetensors") for artifact in made)
    assert first
    for other in others:
        assert first.keys() == other.keys()
        assert all(torch.equal(other[name], weight) for name, weight in first.items())


def test_a_second_epoch_decodes_and_encodes_nothing(run, tmp_path):
    with counted() as one:
        run.train(tmp_path / "a", 64, epochs=1)
    shutil.rmtree(open_features(load_vlm(run.small.model), 64).folder)
    with counted() as three:
        run.train(tmp_path / "b", 64, epochs=3)
    assert one == three


def data_of(run, vlm):
    return read_pair_data(
        vlm, run.small.prompts, run.small.pairs, run.small.shards("confidence"), str(run.small.root),
        TrainingSettings(**TRAINING), [run.image_pairs], [run.reference],
    )  # fmt: skip


def test_a_corruption_that_the_processor_took_away_is_seen_on_kept_images_as_well(run, tmp_path, monkeypatch):
    """Two files that are one image to the model: the key of the pixels is kept with the features."""
    vlm = load_vlm(run.small.model)
    vlm.features = open_features(vlm, 64)
    data = data_of(run, vlm)
    pair_id = data.pairs[0]["pair_id"]
    row, _ = data.corrupted.rows[pair_id]
    prompt = data.prompts[data.pairs[0]["prompt_id"]]
    same = data.store.open("x", prompt["image"])
    same.save(tmp_path / "same.bmp")
    file = images.ImageStore(str(tmp_path)).file("x", "same.bmp")
    data.corrupted.rows[pair_id] = (
        {**row, "corrupted": "same.bmp", "corrupted_sha256": file.sha256}, images.ImageStore(str(tmp_path)),
    )  # fmt: skip
    assert file.sha256 != prompt["image_sha256"]
    for _ in range(2):
        data.unseen.clear()
        example = data.example(0)
        assert data.unseen == {pair_id} and example.corrupted is None
        with torch.no_grad():
            image_features(vlm, [example.prefix])
            vlm.features.put(file.sha256, vlm.features.get(prompt["image_sha256"]))
    monkeypatch.setattr(images, "decode", None)
    data.unseen.clear()
    assert data.example(0).corrupted is None and data.unseen == {pair_id}


def test_an_image_that_changed_is_refused_although_its_features_are_kept(run):
    vlm = load_vlm(run.small.model)
    vlm.features = open_features(vlm, 64)
    data = data_of(run, vlm)
    with torch.no_grad():
        image_features(vlm, [data.example(0).prefix])
    path = run.small.root / data.prompts[data.pairs[0]["prompt_id"]]["image"]
    before = path.read_bytes()
    try:
        path.write_bytes(before + b" ")
        with pytest.raises(RecordError, match="changed since its row was written"):
            data.example(0)
    finally:
        path.write_bytes(before)
