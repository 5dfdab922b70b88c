"""Promises of the reward: MAS of new answers by the pool's scorers and on the pool's scale."""

import pytest

from groundtune.artifacts import read_artifact
from groundtune.candidates import combine
from groundtune.candidates.alignment_score import stage as alignment
from groundtune.errors import ArtifactError, RecordError, SettingError
from groundtune.images import ImageStore
from groundtune.settings import AlignmentScoreSettings
from groundtune.training.answer_reward import SILENCE, read_answer_reward
from groundtune.training.prompt_order import PromptOrder
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "model"), tiny_clip(root / "clip"), shards=2)


def reward_of(run, settings, shards=None, **scorers):
    settings = AlignmentScoreSettings.of(settings, "test")
    store = ImageStore(str(run.root), attached=read_artifact(run.prompts, "prompts").files)
    given = {"contrastive": str(run.clip), "claims": str(run.model)} | scorers
    return read_answer_reward(shards or run.shards("alignment", 2), given, settings, store)


@pytest.mark.parametrize("calibration", ["logistic", "rank"])
def test_an_answer_of_the_pool_is_rewarded_with_its_mas(small, tmp_path, calibration):
    """Two scorers, two shards, several sentences: what combine_scores made of them."""
    settings = {
        "scorer_weights": {"contrastive": 1.0, "claims": 0.5}, "calibration": calibration, "sentence_min_weight": 0.3,
    }  # fmt: skip
    scorers = {"contrastive": str(small.clip), "claims": str(small.model)}
    raw = [tmp_path / f"alignment-{i}" for i in range(2)]
    for i, out in enumerate(raw):
        candidates = small.root / f"candidates-{i}"
        alignment.run(small.prompts, candidates, str(small.root), scorers, out, settings, shard=f"{i}/2")
    kinds = [small.shards("candidates", 2), raw, small.shards("confidence", 2)]
    scores = list(combine.run(*kinds, tmp_path / "scores", settings).rows())
    prompts = {row["id"]: row for row in read_artifact(small.prompts, "prompts").rows()}
    reward = reward_of(small, settings, raw)
    found = reward([prompts[row["prompt_id"]] for row in scores], [row["text"] for row in scores])
    sentences = sum(len(row["sentence_scores"]) for out in raw for row in read_artifact(out, "alignment").rows()) / 2
    rounding = 1e-5 + (0.5 / sentences if calibration == "rank" else 0)  # a last digit away from a rank is beside it
    assert found == pytest.approx([row["mas"] for row in scores], abs=rounding)
    assert len({round(value, 4) for value in found}) > len(scores) // 2, "answers differ in their reward"


def test_a_reward_does_not_depend_on_the_answers_beside_it(small):
    prompts = list(read_artifact(small.prompts, "prompts").rows())
    texts = [f"A red circle. There is a dog number {i}." for i in range(len(prompts))]
    together = reward_of(small, {})(prompts, texts)
    alone = reward_of(small, {})
    assert [alone([prompt], [text])[0] for prompt, text in zip(prompts, texts, strict=True)][::-1] == together[::-1]


def test_silence_gets_the_least_reward(small):
    prompt = next(iter(read_artifact(small.prompts, "prompts").rows()))
    assert reward_of(small, {})([prompt, prompt], ["", "A cat."])[0] == SILENCE == 0
    assert reward_of(small, {})([prompt], ["..."]) == [SILENCE]


def test_a_scorer_of_another_model_is_refused(small, tmp_path):
    other = tiny_clip(tmp_path / "clip", seed=7)
    with pytest.raises(ArtifactError, match="scored by another contrastive model than the reward"):
        reward_of(small, {}, contrastive=str(other))


def test_a_scorer_that_the_pool_was_not_scored_by_is_refused(small):
    with pytest.raises(ArtifactError, match="scored by another claims model"):
        reward_of(small, {"scorer_weights": {"claims": 1.0}})


def test_another_question_than_the_pools_is_refused_by_its_setting(small):
    with pytest.raises(SettingError, match="'sentence_template'.*'{sentence}', as the pool was scored"):
        reward_of(small, {"sentence_template": "a photo of {sentence}"})


def test_a_missing_shard_of_the_pool_is_refused(small):
    with pytest.raises(ArtifactError, match="1/2 missing"):
        reward_of(small, {}, small.shards("alignment", 1))


def test_an_image_that_changed_is_named(small):
    prompt = dict(next(iter(read_artifact(small.prompts, "prompts").rows())), image_sha256="0" * 64)
    with pytest.raises(RecordError, match=f'id="{prompt["id"]}": image'):
        reward_of(small, {})([prompt], ["A cat."])


def test_every_epoch_asks_every_prompt_once_in_an_order_of_its_own():
    order = PromptOrder(7, seed=3)
    epochs = [[order[epoch * 7 + i] for i in range(7)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [PromptOrder(7, seed=3)[i] for i in (20, 0, 13)] == [epochs[2][6], epochs[0][0], epochs[1][6]]
    assert [PromptOrder(7, seed=4)[i] for i in range(7)] != epochs[0]
