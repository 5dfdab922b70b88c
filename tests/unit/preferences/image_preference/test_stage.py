"""The stage: nothing is lost, killed runs go on, shards are one whole, the reference fits the images."""

import json

import pytest
import torch

from groundtune.artifacts import read_artifact
from groundtune.errors import ArtifactError, TooManyRejected
from groundtune.images import ImageStore
from groundtune.preferences.image_preference import reference, stage
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.plain import plain_logprobs
from groundtune.vlm.prompt import encode_prefix
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs

SETTINGS = {"tagger": "plain", "least_score": 0.0, "pairs_per_part": 2, "pairs_per_batch": 2}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))


def prefer(small, out, shard="0/1", **changes):
    models = {"patch_similarity": str(small.clip)}
    return stage.run(small.prompts, small.pairs, str(small.root), models, out, {**SETTINGS, **changes}, shard=shard)


def refer(small, images, out):
    return reference.run(small.prompts, small.pairs, images.path, str(small.model), out, {})


@pytest.fixture(scope="module")
def images(small, tmp_path_factory):
    return prefer(small, tmp_path_factory.mktemp("images") / "image_pairs")


def test_every_pair_has_its_corrupted_image(images, small):
    pairs = [row["pair_id"] for row in read_artifact(small.pairs, "pairs").rows()]
    assert [row["pair_id"] for row in images.rows()] == pairs
    store = ImageStore("", attached=images.files)
    for row in images.rows():
        store.open(row["pair_id"], row["corrupted"], row["corrupted_sha256"])
    assert images.manifest["extra"]["tagger"].startswith("plain") and images.manifest["extra"]["finder"]
    assert sum(images.results["whole_image"].values()) == sum(bool(row["fallback"]) for row in images.rows())


def test_a_killed_stage_goes_on_to_the_same_digest(images, small, tmp_path, monkeypatch):
    real, seen = stage.image_pair, []

    def dies(pair, *given):
        seen.append(pair["pair_id"])
        if len(seen) == 4:
            raise KeyboardInterrupt
        return real(pair, *given)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "image_pair", dies)
        with pytest.raises(KeyboardInterrupt):
            prefer(small, tmp_path / "a")
    again = []
    monkeypatch.setattr(stage, "image_pair", lambda pair, *given: again.append(pair["pair_id"]) or real(pair, *given))
    resumed = prefer(small, tmp_path / "a")
    assert resumed.digest == images.digest
    assert again and seen[0] not in again, "the finished part was kept"


def test_shards_are_the_whole(images, small, tmp_path):
    parts = [prefer(small, tmp_path / f"{i}", f"{i}/3") for i in range(3)]
    assert [row for part in parts for row in part.rows()] == list(images.rows())


def test_a_shard_without_pairs_is_empty_and_well(small, tmp_path):
    count = len(read_artifact(small.pairs, "pairs")) + 1
    empty = prefer(small, tmp_path / "a", f"0/{count}")
    assert len(empty) == 0 and len(refer(small, empty, tmp_path / "b")) == 0


def test_an_unreadable_image_is_a_rejected_pair(small, tmp_path):
    pairs = list(read_artifact(small.pairs, "pairs").rows())
    prompts = {row["id"]: row for row in read_artifact(small.prompts, "prompts").rows()}
    victim = small.root / prompts[pairs[0]["prompt_id"]]["image"]
    content = victim.read_bytes()
    victim.write_bytes(content[:40])
    try:
        made = prefer(small, tmp_path / "a")
    finally:
        victim.write_bytes(content)
    assert [row["id"] for row in made.rejected()] == [pairs[0]["pair_id"]]
    assert len(made) == len(pairs) - 1 and "changed since its row was written" in made.rejected()[0]["detail"]


def test_too_many_whole_images_stop_the_run_with_an_example(small, tmp_path):
    with pytest.raises(TooManyRejected, match=r"pairs fall back to the whole image.*max_whole_share.*The first: id="):
        prefer(small, tmp_path / "a", least_score=1.0, max_whole_share=0.1)
    assert not (tmp_path / "a").exists()


def test_the_reference_is_the_chosen_answer_under_the_corrupted_image(images, small, tmp_path):
    made = refer(small, images, tmp_path / "a")
    vlm = load_vlm(small.model)
    pairs = {row["pair_id"]: row for row in read_artifact(small.pairs, "pairs").rows()}
    prompts = {row["id"]: row for row in read_artifact(small.prompts, "prompts").rows()}
    store = ImageStore("", attached=images.files)
    for row, corrupted in zip(made.rows(), images.rows(), strict=True):
        prompt = prompts[corrupted["prompt_id"]]
        image = store.open(prompt["id"], corrupted["corrupted"])
        prefix = encode_prefix(vlm, prompt["id"], prompt["instruction"], image)
        with torch.no_grad():
            plain = plain_logprobs(vlm, [prefix], [[pairs[row["pair_id"]]["chosen_tokens"]]])[0][0]
        torch.testing.assert_close(torch.tensor(row["token_logprobs"]), plain, atol=1e-5, rtol=1e-5)


def test_images_of_other_pairs_are_refused(images, small, tmp_path):
    other = tmp_path / "pairs"
    from groundtune.preferences import selection

    selection.run(small.root / "scores", other, {"margin": 0.01, "require_finished": False, "max_pairs": 1})
    with pytest.raises(ArtifactError, match="is not in"):
        reference.run(small.prompts, other, images.path, str(small.model), tmp_path / "a", {})


def test_a_changed_corrupted_image_is_noticed(small, tmp_path):
    made = prefer(small, tmp_path / "a")
    row = next(iter(made.rows()))
    file = made.files / row["corrupted"].removeprefix("attached:")
    file.write_bytes(next(made.files.glob("*.png")).read_bytes() + b"x")
    (refused,) = refer(small, made, tmp_path / "b").rejected()
    assert refused["id"] == row["pair_id"] and "changed since" in refused["detail"]
    assert json.loads((made.path / "manifest.json").read_text())["rows"] == len(made)
