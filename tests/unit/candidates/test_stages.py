"""Promises of sampling, alignment score and confidence, on real tiny checkpoints."""

import math

import pytest
import torch

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import read_artifact
from groundtune.candidates import combine, confidence, sampling
from groundtune.candidates.alignment_score import contrastive
from groundtune.candidates.alignment_score import stage as alignment
from groundtune.candidates.engines import transformers_engine
from groundtune.errors import ArtifactError, CheckpointError, SettingError
from groundtune.prompts import prepare
from tests.tiny_checkpoints import tiny_clip, tiny_llava, tiny_siglip
from tests.unit.small_run import SAMPLING, write_prompts


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    for name, make in (("llava", tiny_llava), ("clip", tiny_clip), ("siglip", tiny_siglip)):
        make(root / name)
    prepare.run(str(write_prompts(root, 6)), str(root), str(root / "llava"), root / "prompts", {})
    sampling.run(root / "prompts", str(root), str(root / "llava"), root / "candidates", SAMPLING)
    return root


def sampled(world, out, shard="0/1", **changes):
    settings = {**SAMPLING, **changes}
    return sampling.run(world / "prompts", str(world), str(world / "llava"), out, settings, shard=shard)


def test_candidates_do_not_depend_on_batch_part_or_shard(world, tmp_path):
    whole = list(read_artifact(world / "candidates", "candidates").rows())
    other = sampled(world, tmp_path / "b", prompts_per_part=6)
    assert list(other.rows()) == whole
    shards = [sampled(world, tmp_path / f"s{i}", f"{i}/3") for i in range(3)]
    assert [row for shard in shards for row in shard.rows()] == whole


def test_another_seed_gives_other_candidates(world, tmp_path):
    whole = read_artifact(world / "candidates", "candidates")
    assert sampled(world, tmp_path / "x", seed=1).digest != whole.digest


def test_votes_add_up_to_k(world):
    votes = {}
    for row in read_artifact(world / "candidates", "candidates").rows():
        votes[row["prompt_id"]] = votes.get(row["prompt_id"], 0) + row["multiplicity"]
    assert set(votes.values()) == {4} and len(votes) == 6


def test_a_killed_stage_resumes_to_the_same_digest(world, tmp_path, monkeypatch):
    calls = []

    def dies_in_the_second_part(self, index, *rows):
        if index == 1:
            raise KeyboardInterrupt
        calls.append(index)
        write(self, index, *rows)

    write = ArtifactWriter.write_part
    with monkeypatch.context() as patch:
        patch.setattr(ArtifactWriter, "write_part", dies_in_the_second_part)
        with pytest.raises(KeyboardInterrupt):
            sampled(world, tmp_path / "a")
    assert calls == [0] and not (tmp_path / "a").exists()
    ran = []
    generate = transformers_engine.generate
    monkeypatch.setattr(
        transformers_engine,
        "generate",
        lambda *given, **named: ran.append(len(given[1])) or generate(*given, **named),
    )
    resumed = sampled(world, tmp_path / "a")
    assert sum(ran) == 2, "only the prompts of the second part are sampled again"
    assert resumed.digest == read_artifact(world / "candidates", "candidates").digest


def test_confidence_is_the_mean_of_plain_teacher_forced_log_probs(world, tmp_path):
    from groundtune.images import ImageStore
    from groundtune.vlm.loader import load_vlm
    from groundtune.vlm.plain import plain_logprobs
    from groundtune.vlm.prompt import encode_prefix

    made = confidence.run(world / "prompts", world / "candidates", str(world), str(world / "llava"), tmp_path / "c", {})
    vlm, store = load_vlm(world / "llava"), ImageStore(str(world))
    candidates = {row["candidate_id"]: row for row in read_artifact(world / "candidates", "candidates").rows()}
    prompts = {row["id"]: row for row in read_artifact(world / "prompts", "prompts").rows()}
    rows = list(made.rows())
    assert len(rows) == len(candidates)
    for row in rows[:6]:
        prompt = prompts[row["prompt_id"]]
        prefix = encode_prefix(vlm, "x", prompt["instruction"], store.open("x", prompt["image"]))
        with torch.no_grad():
            plain = plain_logprobs(vlm, [prefix], [[candidates[row["candidate_id"]]["token_ids"]]])[0][0]
        torch.testing.assert_close(torch.tensor(row["token_logprobs"]), plain, atol=1e-5, rtol=0)
        assert row["confidence"] == pytest.approx(float(plain.mean()), abs=1e-5)
        assert row["logprob_sum"] == pytest.approx(float(plain.sum()), abs=1e-4)


def test_a_log_prob_that_is_not_finite_is_a_rejected_row(world, tmp_path, monkeypatch):
    real = confidence.branch_logprobs

    def broken(*given, **named):
        scored = real(*given, **named)
        scored[0][0] = scored[0][0] * math.nan
        return scored

    monkeypatch.setattr(confidence, "branch_logprobs", broken)
    made = confidence.run(
        world / "prompts", world / "candidates", str(world), str(world / "llava"), tmp_path / "c",
        {"prompts_per_part": 100},
    )  # fmt: skip
    assert [(row["id"], row["reason"]) for row in made.rejected()] == [("p0#0", "confidence")]
    assert "not finite" in made.rejected()[0]["detail"]


@pytest.mark.parametrize("checkpoint", ["clip", "siglip"])
def test_alignment_scores_every_sentence_of_every_candidate(world, tmp_path, checkpoint):
    made = alignment.run(
        world / "prompts",
        world / "candidates",
        str(world),
        {"contrastive": str(world / checkpoint)},
        tmp_path / "a",
        {},
    )
    candidates = read_artifact(world / "candidates", "candidates")
    assert len(made) + made.manifest["rejected"] == len(candidates)
    for row in made.rows():
        assert len(row["sentence_scores"]) == len(row["sentences"]) > 0
        assert row["raw_min"] == min(row["sentence_scores"])


def test_scoring_does_not_depend_on_the_batch(world, tmp_path):
    def run(name, size):
        settings = {"images_per_batch": size, "scorer_weights": {"contrastive": 1, "claims": 1}}
        scorers = {"contrastive": str(world / "clip"), "claims": str(world / "llava")}
        made = alignment.run(world / "prompts", world / "candidates", str(world), scorers, tmp_path / name, settings)
        return {(row["candidate_id"], row["scorer"]): row["sentence_scores"] for row in made.rows()}

    one, many = run("1", 1), run("6", 6)
    assert one.keys() == many.keys() and {scorer for _, scorer in one} == {"contrastive", "claims"}
    for key, scores in one.items():
        assert many[key] == pytest.approx(scores, abs=2e-4)


def claims_about(world, *sentences):
    from PIL import Image

    from groundtune.candidates.alignment_score.scorer import ImageClaims

    with Image.open(world / "images" / "1.png") as image:
        return ImageClaims({"id": "x", "image_sha256": "x"}, image.convert("RGB"), list(sentences))


@pytest.mark.parametrize("checkpoint", ["clip", "siglip"])
def test_the_last_word_of_a_long_sentence_counts(world, checkpoint):
    """CLIP reads 77 tokens, SigLIP 64: a hallucination after them must still change the score."""
    scorer = contrastive.ContrastiveScorer(world / checkpoint)
    long = " ".join(["cup"] * 300)
    honest, invented = scorer.score([claims_about(world, f"{long} spoon", f"{long} banana")])[0]
    assert abs(honest - invented) > 1e-4


def test_claims_are_log_odds_of_yes_against_no_asked_one_at_a_time(world):
    from groundtune.candidates.alignment_score.claims import ClaimsScorer
    from groundtune.settings import AlignmentScoreSettings

    scorer = ClaimsScorer(world / "llava", AlignmentScoreSettings().claim_template)
    sentences = ["A red cup.", "Two blue plates on the left.", "A cat."]
    together = scorer.score([claims_about(world, *sentences)])[0]
    alone = [scorer.score([claims_about(world, sentence)])[0][0] for sentence in sentences]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_weighted_scorer_without_a_checkpoint_is_an_error(world, tmp_path):
    settings = {"scorer_weights": {"contrastive": 1, "claims": 0.5}}
    with pytest.raises(SettingError, match="scorers.claims.*its weight is above 0"):
        alignment.run(
            world / "prompts", world / "candidates", str(world), {"contrastive": str(world / "clip")}, tmp_path / "a",
            settings,
        )  # fmt: skip


def test_a_contrastive_scorer_must_be_a_contrastive_model(world):
    with pytest.raises(CheckpointError, match="'llava' model cannot compare.*clip, siglip"):
        contrastive.ContrastiveScorer(world / "llava")


def test_a_pickled_scorer_is_refused(world, tmp_path):
    folder = tiny_clip(tmp_path / "clip")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        contrastive.ContrastiveScorer(folder)


def test_a_missing_shard_is_an_error(world, tmp_path):
    shard = sampled(world, tmp_path / "s0", "0/2")
    with pytest.raises(ArtifactError, match="shards"):
        combine.read_shards([shard.path], "candidates")


def test_an_answer_of_300_words_scores_as_well_as_one_of_10(world, tmp_path):
    """The same honest sentence, once and thirty times: neither length nor position may cost it anything."""
    from groundtune.candidates.sentences import split_sentences

    scorer = contrastive.ContrastiveScorer(world / "clip")
    sentence = "There is one red cup on the left side here."
    for text in (sentence, " ".join([sentence] * 30)):
        sentences = split_sentences(text)
        scores = scorer.score([claims_about(world, *sentences)])[0]
        assert min(scores) == pytest.approx(max(scores), abs=1e-4)
        assert sum(scores) / len(scores) == pytest.approx(scorer.score([claims_about(world, sentence)])[0][0], abs=1e-4)
