"""Promises of combine_scores: exactly the plain MAS, whatever the order of the scores, the parts and the shards."""

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import plain_rows, read_artifact
from groundtune.candidates import combine
from groundtune.digests import digest_of, digest_rows
from groundtune.errors import ArtifactError
from groundtune.records import ALIGNMENT, CANDIDATES, CONFIDENCE, SCORES
from groundtune.settings import AlignmentScoreSettings
from tests.unit.candidates import plain_combine

SCORERS = ("contrastive", "claims")
score = st.sampled_from([-1.0, 0.0, 2.0]) | st.floats(-30, 30, width=32)
options = st.builds(
    AlignmentScoreSettings,
    scorer_weights=st.sampled_from(
        [{"contrastive": 1}, {"claims": 0.3, "contrastive": 1.7}, {"contrastive": 2, "claims": 0}]
    ),
    sentence_min_weight=st.floats(0, 1),
    calibration=st.sampled_from(["logistic", "rank"]),
)


@pytest.fixture(scope="module", autouse=True)
def small_parts():
    """Three answers a part: a handful goes the way of a million."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combine, "ANSWERS_PER_PART", 3)
        yield


@st.composite
def scored_answers(draw):
    """Rows of candidates, alignment and confidence; here and there a score is missing. Up to 20 sentences an answer:
    sums of many numbers are where the order of adding shows."""
    answers, raw, beliefs = [], [], []
    for i in range(draw(st.integers(0, 10))):
        row = {"prompt_id": f"p{i % 4}", "candidate_id": f"p{i % 4}#{i}", "text": "t" * i, "token_ids": [i] * (i % 3)}
        answers.append({**row, "multiplicity": i % 3, "finished": bool(i % 2), "engine": "test"})
        ids = {name: row[name] for name in ("prompt_id", "candidate_id")}
        count = draw(st.integers(1, 20))
        for scorer in draw(st.sampled_from([SCORERS, SCORERS, SCORERS[::-1], SCORERS[:1], ()])):
            scores = draw(st.lists(score, min_size=count, max_size=count))
            sentences = [f"s{k} of {i}" for k in range(count)]
            raw.append({**ids, "sentences": sentences, "scorer": scorer, "sentence_scores": scores,
                        "raw_mean": 0.0, "raw_min": 0.0})  # fmt: skip
        if draw(st.integers(0, 5)):
            entropy = draw(st.none() | st.floats(0, 3, width=32))
            beliefs.append({**ids, "token_logprobs": [-1.0], "logprob_sum": -1.0, "confidence": draw(score),
                            "pool_entropy": entropy, "reference_key": "k"})  # fmt: skip
    return answers, draw(st.permutations(raw)), draw(st.permutations(beliefs))


def combined(answers, raw, beliefs, chosen, batch=2):
    """combine_scores over rows that lie in memory."""

    def source(rows, schema):
        table = pa.Table.from_pylist(rows, schema=schema)
        return lambda columns: table.select(list(columns)).to_batches(batch)

    sources = (source(answers, CANDIDATES), source(raw, ALIGNMENT), source(beliefs, CONFIDENCE))
    parts = list(combine.combine(*sources, chosen))
    return [row for rows, _ in parts for row in plain_rows(rows)], [row for _, lost in parts for row in lost]


@given(scored_answers(), options, st.integers(1, 5))
@settings(max_examples=80, deadline=None)
def test_scores_and_rejected_candidates_are_those_of_the_plain_mas(given, chosen, batch):
    rows, rejected = plain_combine.combine(*given, chosen)
    expected = plain_rows(pa.Table.from_pylist(rows, schema=SCORES))
    assert combined(*given, chosen, batch) == (expected, rejected)
    assert len(rows) + len(rejected) == len(given[0])


def write(path, kind, rows, shard=(0, 1)):
    made = ArtifactWriter(path, kind, {"seed": 0}, {"prompts": str(shard), "model": "m"}, shard=shard)
    for number, start in enumerate(range(0, len(rows), 2)):
        made.write_part(number, rows[start : start + 2])
    return made.finish(len(rows)).path


@given(scored_answers(), st.integers(2, 3), st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None)
def test_the_artifact_does_not_depend_on_shards_and_has_the_plain_digests(tmp_path_factory, given, count, random):
    folder = tmp_path_factory.mktemp("combine")
    kinds = ("candidates", "alignment", "confidence")
    whole = [[write(folder / kind, kind, rows)] for kind, rows in zip(kinds, given, strict=True)]
    shards = [
        [write(folder / f"{kind}-{i}", kind, rows[len(rows) * i // count : len(rows) * (i + 1) // count], (i, count))
         for i in range(count)]
        for kind, rows in zip(kinds, given, strict=True)
    ]  # fmt: skip
    for paths in shards:
        random.shuffle(paths)
    one = combine.run(*whole, folder / "one", {})
    many = combine.run(*shards, folder / "many", {})
    rows, rejected = plain_combine.combine(*given, AlignmentScoreSettings())
    assert one.digest == many.digest
    assert one.manifest["content_digest"] == digest_rows(plain_rows(pa.Table.from_pylist(rows, schema=SCORES)))
    assert one.manifest["rejected_digest"] == digest_rows(rejected)
    for kind, paths in zip(kinds, whole, strict=True):
        artifact = read_artifact(paths[0], kind)
        identity = [artifact.settings, {"model": "m"}, digest_rows(artifact.rows())]
        assert one.manifest["parents"][kind] == digest_of(identity)


def raw(identity, scores, scorer="contrastive"):
    return {"prompt_id": "p", "candidate_id": identity, "sentences": [f"s{i}" for i in range(len(scores))],
            "scorer": scorer, "sentence_scores": scores, "raw_mean": 0.0, "raw_min": 0.0}  # fmt: skip


def answer(identity):
    row = {"prompt_id": "p", "candidate_id": identity, "text": "t", "token_ids": [5]}
    return {**row, "multiplicity": 1, "finished": True}


def made(names, scores, believed="abc", **options):
    beliefs = [{"candidate_id": name, "confidence": -1.0, "pool_entropy": 0.5} for name in believed]
    return combined([answer(name) for name in names], scores, beliefs, AlignmentScoreSettings(**options))


def test_one_bad_sentence_shows_in_mas():
    scores = [raw("a", [4.0, 4.0, 4.0]), raw("b", [4.0, 4.0, -4.0]), raw("c", [0.0, 0.0, 0.0])]
    rows, _ = made("abc", scores)
    mas = {row["candidate_id"]: row["mas"] for row in rows}
    assert mas["a"] > mas["b"]
    assert next(row for row in rows if row["candidate_id"] == "b")["worst_sentence"] == "s2"
    mean_only, _ = made("abc", scores, sentence_min_weight=0.0)
    drop = next(r["mas"] for r in mean_only if r["candidate_id"] == "b") - mas["b"]
    assert drop > 0, "the minimum weighs more than one sentence of three"


def test_mas_is_the_weighted_mean_of_its_scorers():
    scores = [raw("a", [1.0]), raw("b", [2.0]), raw("a", [math.log(3)], "claims"), raw("b", [0.0], "claims")]
    rows, _ = made("ab", scores, scorer_weights={"contrastive": 1.0, "claims": 3.0})
    for row in rows:
        assert row["mas"] == pytest.approx((row["scorers"]["contrastive"] + 3 * row["scorers"]["claims"]) / 4)
    assert rows[0]["scorers"]["claims"] == pytest.approx(0.75)


def test_a_missing_score_is_a_rejected_candidate_and_not_a_zero():
    rows, rejected = made("abc", [raw("a", [1.0]), raw("b", [1.0])], believed="a")
    assert [row["candidate_id"] for row in rows] == ["a"]
    assert [(row["id"], row["reason"]) for row in rejected] == [("b", "no_confidence"), ("c", "no_alignment")]


def test_two_scores_of_one_candidate_are_an_error_and_none_wins():
    with pytest.raises(ArtifactError, match='alignment \\(contrastive\\): 1 candidates are scored twice, e.g. "a"'):
        made("ab", [raw("a", [1.0]), raw("b", [1.0]), raw("a", [2.0])])
    with pytest.raises(ArtifactError, match='confidence: 1 candidates are scored twice, e.g. "b"'):
        made("ab", [raw("a", [1.0]), raw("b", [1.0])], believed="abb")


def test_scorers_that_saw_other_sentences_are_an_error():
    scores = [raw("a", [1.0]), raw("b", [1.0]), raw("a", [1.0], "claims"), raw("b", [1.0, 2.0], "claims")]
    with pytest.raises(ArtifactError, match='"b" has [12] sentences for one scorer, [12] for another'):
        made("ab", scores, scorer_weights={"contrastive": 1, "claims": 1})
