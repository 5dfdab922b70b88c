"""Promises of score_reward, on a real tiny model whose answers have a MAS that is linear in its hidden states."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import read_artifact
from groundtune.candidates.reward import passes, stage
from groundtune.candidates.reward.pools import read_answers, states_of
from groundtune.errors import ArtifactError, SettingError
from groundtune.images import ImageStore
from groundtune.preferences import selection
from groundtune.settings import RewardSettings, SelectionSettings
from groundtune.vlm.loader import load_vlm
from tests.unit.candidates.planted_reward import PROMPTS, REWARD, SELECTION, planted_world, written


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return planted_world(tmp_path_factory.mktemp("world"))


def rewarded(world, out, scores="scores", prompts="prompts", selection_changes=None, **changes):
    chosen = {**SELECTION, **(selection_changes or {})}
    return stage.run(
        world / prompts, world / scores, str(world), str(world / "llava"), out, {**REWARD, **changes}, chosen
    )


@pytest.fixture(scope="module")
def made(world, tmp_path_factory):
    return rewarded(world, tmp_path_factory.mktemp("made") / "scores")


def rewards_of(artifact):
    return {row["candidate_id"]: row["scorers"]["reward"] for row in artifact.rows()}


def head_of(artifact):
    with safe_open(artifact.files / "reward_head.safetensors", framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def held_out_ids(world):
    held, _ = read_answers(
        read_artifact(world / "prompts", "prompts"),
        read_artifact(world / "scores", "scores"),
        SelectionSettings.of(SELECTION),
    )
    return {pool.prompt["id"] for pool in held.pools}


def test_the_rows_are_those_given_with_one_more_scorer(world, made):
    before = list(read_artifact(world / "scores", "scores").rows())
    after = list(read_artifact(made.path, "scores").rows())
    for row in after:
        assert 0 <= row["scorers"].pop("reward") <= 1
    assert after == before


def test_a_planted_linear_reward_is_learnt_through_the_whole_stage(made):
    figures = made.results["reward"]
    assert figures["validation_accuracy"] > 0.7
    assert figures["unseen_accuracy"] > 0.7 and figures["unseen_pairs"] > 50
    assert figures["unseen_accuracy"] > figures["unseen_accuracy_of_shorter"]
    assert figures["validation_loss"] < figures["constant_loss"]


def test_shorter_answers_are_a_yardstick_of_their_own(world, made):
    _, others = read_answers(
        read_artifact(world / "prompts", "prompts"),
        read_artifact(world / "scores", "scores"),
        SelectionSettings.of(SELECTION),
    )
    rows = [row for pool in others.pools for row in pool.candidates]
    pairs = [
        (better, worse)
        for better in rows
        for worse in rows
        if better["prompt_id"] == worse["prompt_id"] and better["mas"] - worse["mas"] >= REWARD["margin"]
    ]
    gaps = [len(worse["token_ids"]) - len(better["token_ids"]) for better, worse in pairs]
    figures = made.results["reward"]
    assert figures["unseen_pairs"] == len(pairs)
    expected = sum(1.0 if gap > 0 else 0.5 if gap == 0 else 0.0 for gap in gaps) / len(gaps)
    assert figures["unseen_accuracy_of_shorter"] == pytest.approx(expected)


def test_the_held_out_prompts_are_exactly_those_that_selection_leaves_out(world, made, tmp_path):
    pairs = selection.run(made.path, tmp_path / "pairs", SELECTION)
    held = held_out_ids(world)
    assert 0 < len(held) < PROMPTS
    assert {row["id"] for row in pairs.rejected() if row["reason"] == "held_out"} == held
    assert len(pairs) and not held & set(pairs.values("prompt_id"))
    figures = made.results["reward"]
    assert figures["prompts"] + figures["validation_prompts"] <= len(held)


def changed_scores(world, name, change):
    rows = [{**row, "mas": change(row)} for row in read_artifact(world / "scores", "scores").rows()]
    written(world / name, rows)
    return name


def test_nothing_of_a_training_prompts_mas_reaches_the_head(world, made, tmp_path):
    held = held_out_ids(world)
    lots = np.random.default_rng(0)
    name = changed_scores(
        world, "others", lambda row: row["mas"] if row["prompt_id"] in held else float(lots.random())
    )
    other = rewarded(world, tmp_path / "a", name)
    assert other.manifest["extra"]["reward"]["sha256"] == made.manifest["extra"]["reward"]["sha256"]
    assert rewards_of(other) == rewards_of(made)
    name = changed_scores(world, "held", lambda row: 1 - row["mas"] if row["prompt_id"] in held else row["mas"])
    turned = rewarded(world, tmp_path / "b", name)
    assert turned.results["reward"]["unseen_accuracy"] < 0.3, "the held-out prompts' MAS does reach it"


def test_a_killed_stage_resumes_to_the_same_digest(world, made, tmp_path, monkeypatch):
    whole = passes.states_of
    for dies_at in (2, 4):  # among the held-out prompts, and among the others
        calls = []

        def dying(vlm, pools, *rest, calls=calls, dies_at=dies_at):
            calls.append(len(pools))
            if len(calls) == dies_at:
                raise KeyboardInterrupt
            return whole(vlm, pools, *rest)

        monkeypatch.setattr(passes, "states_of", dying)
        with pytest.raises(KeyboardInterrupt):
            rewarded(world, tmp_path / f"{dies_at}")
        assert not (tmp_path / f"{dies_at}").exists()
        again = []

        def counting(vlm, pools, *rest, again=again):
            again.append(len(pools))
            return whole(vlm, pools, *rest)

        monkeypatch.setattr(passes, "states_of", counting)
        resumed = rewarded(world, tmp_path / f"{dies_at}")
        assert sum(again) == PROMPTS - sum(calls[:-1]), "only what was not finished is passed again"
        assert resumed.digest == made.digest
        assert resumed.manifest["extra"] == made.manifest["extra"]
        assert not [file for file in (tmp_path / f"{dies_at}.state").rglob("*") if file.is_file()]


def test_a_reward_does_not_depend_on_the_order_of_rows(world, made, tmp_path):
    rows = list(read_artifact(world / "scores", "scores").rows())
    order = np.random.default_rng(1).permutation(len(rows))
    written(world / "shuffled", [rows[i] for i in order])
    assert rewards_of(rewarded(world, tmp_path / "s", "shuffled")) == rewards_of(made)


def test_a_reward_hardly_depends_on_parts(world, made, tmp_path):
    other = rewards_of(rewarded(world, tmp_path / "p", prompts_per_part=3))
    assert max(abs(other[name] - value) for name, value in rewards_of(made).items()) < 1e-3


def test_the_head_is_kept_with_its_card_and_gives_the_rewards_again(world, made):
    extra = made.manifest["extra"]["reward"]
    assert hashlib.sha256((made.files / extra["head"]).read_bytes()).hexdigest() == extra["sha256"]
    tensors, metadata = head_of(made)
    card = json.loads(metadata["note"])
    assert card == extra["card"] and card["model"] == made.manifest["parents"]["model"]
    prompts, scores = read_artifact(world / "prompts", "prompts"), read_artifact(world / "scores", "scores")
    _, others = read_answers(prompts, scores, SelectionSettings.of(SELECTION))
    states, _ = states_of(load_vlm(world / "llava"), others.pools[:3], ImageStore(str(world)), RewardSettings())
    raw = iter(((states - tensors["mean"]) @ tensors["weight"]).tolist())
    known = rewards_of(made)
    for pool in others.pools[:3]:
        own = [next(raw) for _ in pool.candidates]
        written_ones = [known[row["candidate_id"]] for row in pool.candidates]
        assert np.argsort(own).tolist() == np.argsort(written_ones).tolist()


def test_answers_about_a_picture_that_is_gone_are_rejected_by_name_and_the_others_go_on(world, tmp_path):
    held = sorted(held_out_ids(world))
    prompts = list(read_artifact(world / "prompts", "prompts").rows())
    gone = {held[0], next(row["id"] for row in prompts if row["id"] not in held)}
    rows = [{**row, "image": "images/none.png"} if row["id"] in gone else row for row in prompts]
    writer = ArtifactWriter(world / "prompts-gone", "prompts", {}, {})
    writer.write_part(0, rows)
    writer.finish(len(rows))
    found = rewarded(world, tmp_path / "g", prompts="prompts-gone")
    lost = {row["candidate_id"] for row in read_artifact(world / "scores", "scores").rows() if row["prompt_id"] in gone}
    assert {row["id"] for row in found.rejected()} == lost
    assert all(row["reason"] == "image" and "none.png" in row["detail"] for row in found.rejected())
    assert len(found) + len(lost) == len(read_artifact(world / "scores", "scores"))


def test_without_held_out_prompts_it_says_which_setting_to_change(world, tmp_path):
    with pytest.raises(SettingError, match="held_out_share.* in selection is 0.0: expected above 0"):
        rewarded(world, tmp_path / "e", selection_changes={"held_out_share": 0.0})
    with pytest.raises(SettingError, match="held_out_share.*a larger share"):
        rewarded(world, tmp_path / "e", selection_changes={"held_out_share": 0.05})
    with pytest.raises(SettingError, match="0 of them have two usable answers"):
        rewarded(world, tmp_path / "e", selection_changes={"require_finished": True, "first_candidates": 1})
    assert not (tmp_path / "e").exists()


def test_a_head_that_learns_nothing_is_an_error_and_not_a_constant_score(world, tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "states_of", lambda vlm, pools, *rest: (
        torch.ones(sum(len(pool.candidates) for pool in pools), 4), {}
    ))  # fmt: skip
    with pytest.raises(SettingError, match="no reward head is better than a constant"):
        rewarded(world, tmp_path / "e")


def test_scores_that_hold_a_reward_are_refused(world, made, tmp_path):
    with pytest.raises(ArtifactError, match="holds a reward already"):
        stage.run(world / "prompts", made.path, str(world), str(world / "llava"), tmp_path / "e", REWARD, SELECTION)
