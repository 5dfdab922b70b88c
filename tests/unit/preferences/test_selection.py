"""Promises of select_pairs: exactly the plain selection, whatever the order of its rows and however many there are."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import plain_rows
from groundtune.digests import digest_rows
from groundtune.errors import TooManyRejected
from groundtune.preferences import selection
from groundtune.records import PAIRS
from groundtune.settings import SelectionSettings
from tests.unit.preferences import plain_selection
from tests.unit.preferences.columns import selected

# few values, so that ties are common; ids whose order as prompts is not their order as pairs ("a!/0" < "a/0" < "a0/0")
share = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32)
logprob = st.sampled_from([-2.0, -1.0, -0.5]) | st.floats(-8, 0, width=32)
name = st.sampled_from(["a", "a!", "a0", "b", "B", "ä", "p10", "p2", "p10#1"]) | st.text(min_size=1, max_size=3)


@st.composite
def pools(draw):
    """prompt id -> rows of a scores artifact, sampled answers and those of the user."""
    found = {}
    for prompt in draw(st.lists(name, min_size=1, max_size=8, unique=True)):
        entropy = draw(st.none() | share)
        count = draw(st.integers(1, 5))
        own = draw(st.lists(st.sampled_from(["#chosen", "#rejected"]), unique=True))
        endings = [*(f"#{k}" for k in range(count)), *own]
        found[prompt] = [
            {
                "prompt_id": prompt,
                "candidate_id": prompt + ending,
                "text": f"answer {ending} of {prompt}",
                "token_ids": list(range(draw(st.integers(0, 3)))),
                "multiplicity": 0 if ending[1:].isalpha() else draw(st.integers(1, 3)),
                "finished": draw(st.booleans()),
                "mas": draw(share),
                "scorers": {"contrastive": 0.5},
                "worst_sentence": f"worst of {ending}",
                "confidence": draw(logprob),
                "pool_entropy": entropy,
            }
            for ending in endings
        ]
    return found


options = st.builds(
    SelectionSettings,
    source=st.sampled_from(["m3p", "m3p", "given"]),
    lambda_=st.floats(0, 2),
    mu=st.floats(0, 1),
    margin=st.floats(0, 0.5),
    confidence_scale=st.sampled_from(["rank", "softmax"]),
    pairs_per_prompt=st.integers(1, 3),
    keep_fraction=st.floats(0, 1),
    require_finished=st.booleans(),
    max_pairs=st.integers(0, 4),
    curriculum_stages=st.integers(1, 3),
    max_undefined_entropy=st.sampled_from([0.0, 1.0]),
)


@pytest.fixture(scope="module", autouse=True)
def small_parts():
    """Three pairs a part: a handful of prompts goes the way of a million."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "PAIRS_PER_PART", 3)
        yield


def rows_of(found):
    return [row for pool in found.values() for row in pool]


@given(pools(), options, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_pairs_and_dropped_prompts_are_those_of_the_plain_selection(found, chosen, random):
    rows = random.sample(rows_of(found), len(rows_of(found)))  # in any order, pools torn apart
    problem, (pairs, dropped) = refused(plain_selection.select, found, chosen)
    assert refused(selected, rows, chosen, random.randint(1, 9)) == (problem, (in_arrow(pairs), dropped))


def refused(select, *given):
    """(message, what was made): one of them."""
    try:
        return "", select(*given)
    except TooManyRejected as error:
        return str(error), ([], [])


def in_arrow(pairs):
    return plain_rows(pa.Table.from_pylist(pairs, schema=PAIRS))


@given(pools(), options.filter(lambda chosen: chosen.curriculum_stages == 1), st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_the_artifact_has_the_digests_and_figures_of_the_plain_selection(tmp_path_factory, found, chosen, size):
    folder, rows = tmp_path_factory.mktemp("selection"), rows_of(found)
    writer = ArtifactWriter(folder / "scores", "scores", {}, {})
    for number, start in enumerate(range(0, len(rows), size)):
        writer.write_part(number, rows[start : start + size])
    made = selection.run(writer.finish(len(rows)).path, folder / "pairs", chosen)
    pairs, dropped = plain_selection.select(found, chosen)
    pairs = in_arrow(pairs)
    assert made.manifest["content_digest"] == digest_rows(pairs)
    assert made.manifest["rejected_digest"] == digest_rows(dropped)
    assert made.results["prompts"] == len(found) and made.results["pairs"] == len(pairs)
    if pairs:
        assert made.results["mean_gap"] == sum(p["chosen_mas"] - p["rejected_mas"] for p in pairs) / len(pairs)
        for side in ("chosen", "rejected"):
            assert made.results[f"mean_{side}_confidence"] == sum(p[f"{side}_confidence"] for p in pairs) / len(pairs)
