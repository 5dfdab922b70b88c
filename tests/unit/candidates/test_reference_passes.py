"""Promises of the two passes that make DPO's reference, score_confidence and score_corrupted: their folder is probed
before the long work, a killed pass goes on, and what is whole is not done again."""

import shutil

import pytest

from groundtune import output_probe
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import read_artifact
from groundtune.candidates import confidence
from groundtune.errors import ArtifactError, StorageError
from groundtune.preferences.image_preference import reference as corrupted
from groundtune.preferences.image_preference import stage as image_stage
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs

SETTINGS = {"prompts_per_part": 2}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    run = up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))
    models, settings = {"patch_similarity": str(run.clip)}, {"tagger": "plain", "least_score": 0.0}
    image_stage.run(run.prompts, run.pairs, str(root), models, root / "image_pairs", settings)
    return run


class Pass:
    """One of the two passes, on the same small run."""

    def __init__(self, small, name):
        self.small, self.name = small, name
        self.module = {"score_confidence": confidence, "score_corrupted": corrupted}[name]

    def run(self, out, model=None, **settings):
        small, given = self.small, {**SETTINGS, **settings}
        model = str(model or small.model)
        if self.name == "score_confidence":
            candidates = small.shards("candidates")[0]
            return confidence.run(small.prompts, candidates, str(small.root), model, out, given)
        return corrupted.run(small.prompts, small.pairs, small.root / "image_pairs", model, out, given)

    def watched(self, monkeypatch):
        """Grows by the prefixes of every call of branch_logprobs."""
        seen, real = [], self.module.branch_logprobs

        def watched(vlm, prefixes, branches, **named):
            seen.extend(prefixes)
            return real(vlm, prefixes, branches, **named)

        monkeypatch.setattr(self.module, "branch_logprobs", watched)
        return seen


@pytest.fixture(params=["score_confidence", "score_corrupted"])
def scoring(request, small):
    return Pass(small, request.param)


def test_a_killed_pass_goes_on_to_the_same_digest(scoring, tmp_path, monkeypatch):
    whole = scoring.run(tmp_path / "whole")
    write = ArtifactWriter.write_part

    def dies_in_the_second_part(self, index, *rows):
        if index == 1:
            raise KeyboardInterrupt
        write(self, index, *rows)

    with monkeypatch.context() as patch:
        patch.setattr(ArtifactWriter, "write_part", dies_in_the_second_part)
        with pytest.raises(KeyboardInterrupt):
            scoring.run(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    seen = scoring.watched(monkeypatch)
    resumed = scoring.run(tmp_path / "a")
    units = {row["prompt_id"] for row in whole.rows()} if scoring.name == "score_confidence" else list(whole.rows())
    assert len(seen) == len(units) - SETTINGS["prompts_per_part"] > 0, "only what was not stored is read again"
    assert resumed.digest == whole.digest and list(resumed.rows()) == list(whole.rows())


def test_a_pass_that_is_whole_is_not_done_again(scoring, tmp_path, monkeypatch):
    whole = scoring.run(tmp_path / "a")
    seen = scoring.watched(monkeypatch)
    again = scoring.run(tmp_path / "a")
    assert not seen and again.digest == whole.digest and again.results == whole.results


def test_what_is_there_of_other_settings_or_damaged_is_done_again(scoring, tmp_path, monkeypatch, capsys):
    whole = scoring.run(tmp_path / "a")
    seen = scoring.watched(monkeypatch)
    other = scoring.run(tmp_path / "a", token_budget=512)
    assert seen and other.digest != whole.digest and "is of other settings: done again" in capsys.readouterr().out
    seen.clear()
    part = next((tmp_path / "a").glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-3])
    mended = scoring.run(tmp_path / "a", token_budget=512)
    assert seen and mended.digest == other.digest and "changed since it was written" in capsys.readouterr().out
    read_artifact(tmp_path / "a", mended.kind)
    seen.clear()
    (tmp_path / "a" / "manifest.json").write_text('{"kind": "confid')
    assert scoring.run(tmp_path / "a", token_budget=512).digest == other.digest
    assert seen and "manifest.json: damaged" in capsys.readouterr().out


def test_another_model_at_the_same_place_is_not_taken_for_the_old_one(scoring, tmp_path):
    model = tmp_path / "llava"
    shutil.copytree(scoring.small.model, model)
    whole = scoring.run(tmp_path / "a", model)
    tiny_llava(model, seed=5)
    assert scoring.run(tmp_path / "a", model).digest != whole.digest


def test_a_place_that_cannot_be_written_is_refused_before_the_model_is_read(scoring, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="file"):
        scoring.run(tmp_path / "file" / "a", model="/no/such/model")
    monkeypatch.setenv("GROUNDTUNE_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(StorageError, match="file/state"):
        scoring.run(tmp_path / "a", model="/no/such/model")


def test_a_disk_without_room_is_refused_before_the_pass_but_not_for_what_is_done(scoring, tmp_path, monkeypatch):
    """The disk is the real one; the rows are made so large that no disk has room for them."""
    whole = scoring.run(tmp_path / "done")
    monkeypatch.setattr(confidence, "ROW_BYTES", 2**60)
    with pytest.raises(StorageError, match=r"MiB are free, this pass writes up to [\d,]+ MiB: make room, or put"):
        scoring.run(tmp_path / "a")
    assert scoring.run(tmp_path / "done").digest == whole.digest


def test_output_and_state_on_one_disk_need_room_for_both(tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path).free
    most = int(free * 0.75)
    for state in ("", str(tmp_path / "state")):
        monkeypatch.setenv("GROUNDTUNE_STATE", state)
        output_probe.check_places(tmp_path / "a")
        with pytest.raises(StorageError, match="are free"):
            output_probe.check_room(tmp_path / "a", most, most)
        output_probe.check_room(tmp_path / "a", most, 0)
        output_probe.check_room(tmp_path / "a", free // 4, free // 4)
    assert [path.name for path in tmp_path.iterdir()] == ["state"] and not list((tmp_path / "state").iterdir())


def test_another_pair_than_those_given_is_refused_before_the_model_is_read(small, tmp_path):
    pairs = read_artifact(small.pairs, "pairs")
    rows = list(pairs.rows())
    writer = ArtifactWriter(tmp_path / "fewer", "pairs", pairs.settings, pairs.manifest["parents"])
    writer.write_part(0, rows[1:])
    writer.finish(len(rows) - 1)
    with pytest.raises(ArtifactError, match=f"'{rows[0]['pair_id']}' is not in"):
        corrupted.run(
            small.prompts, tmp_path / "fewer", small.root / "image_pairs", "/no/such/model", tmp_path / "a", SETTINGS
        )
