"""What a judge prefers, and who that judge was, reaches a reader of the page, the summary and the LaTeX tables."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from groundtune import tracking
from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks.contestants import PAIRWISE
from groundtune.benchmarks.slices import BASELINE, MODEL
from groundtune.errors import ArtifactError
from groundtune.report import evaluation_stage
from groundtune.report.evaluation.examples import _plain
from groundtune.report.evaluation.preference import preference_of
from groundtune.report.evaluation_page import write_evaluation
from tests.unit.report.preferences import judged
from tests.unit.report.runs import FakeRun, build
from tests.unit.report.test_page import Reader

NAMES = ("base", "aligned")
SERVED = {"served_as": ["judge-2026"], "system_fingerprints": ["fp_7"], "requests": 20, "retries": 1, "replies": 19}
USAGE = {"cached": 3, "prompt_tokens": 2000, "completion_tokens": 100, "cost": 1.25}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return build(tmp_path_factory.mktemp("run") / "a")


@pytest.fixture(scope="module")
def models(run: FakeRun) -> tuple[Artifact, Artifact]:
    assert run.paths.base_answers and run.paths.aligned_answers
    return read_artifact(run.paths.base_answers, "answers"), read_artifact(run.paths.aligned_answers, "answers")


@pytest.fixture(scope="module")
def pairwise(models: tuple[Artifact, Artifact], tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return judged(*models, tmp_path_factory.mktemp("judged") / "pairwise")


def by(model: Artifact, **judge: object) -> Artifact:
    """The same evaluation with another account of its judge."""
    return replace(model, manifest=model.manifest | {"results": {**model.results, "judge": {**SERVED, **judge}}})


def texts_of(run: FakeRun, *models: Artifact, pairwise: Artifact | None = None) -> tuple[str, str, str]:
    """HTML, Markdown, LaTeX."""
    places = [run.root / f"p.{end}" for end in ("html", "md", "tex")]
    write_evaluation(*models, places[0], run.images_root, summary=places[1], tables=places[2], pairwise=pairwise)
    page, summary, tables = (place.read_text(encoding="utf-8") for place in places)
    return page, summary, tables


def test_the_win_rate_is_on_the_page_in_the_summary_and_in_latex(
    run: FakeRun, models: tuple[Artifact, Artifact], pairwise: Artifact
) -> None:
    results = pairwise.results
    page, summary, tables = texts_of(run, *models, pairwise=pairwise)
    for key in ("win_rate", "flipped", "first_place"):
        value = f"{results[key]['value'] * 100:.1f}"
        assert f"{value}\u202f%" in Reader(page.partition('id="preference"')[2]).text, key
        assert f"{value}\u202f%" in summary and f"{value}\\,\\%" in tables, key
    counted = f"{results['wins']} for aligned"
    assert counted in page and counted in summary and counted in tables
    bar = re.findall(r'<i class="(\w+)" style="flex:(\d+)">', page)
    assert dict(bar) == {kind: str(results[name]) for kind, name in
                         (("fewer", "wins"), ("same", "ties"), ("more", "losses")) if results[name]}  # fmt: skip
    assert all("judge-2026" in text for text in (page, summary, tables)), "who judged is said"


def test_without_judgements_there_is_no_preference(run: FakeRun, models: tuple[Artifact, Artifact]) -> None:
    for text in texts_of(run, *models):
        assert "Preference" not in text


def test_examples_hold_both_answers_and_what_the_judge_said_in_both_orders(
    run: FakeRun, models: tuple[Artifact, Artifact], pairwise: Artifact
) -> None:
    rows: dict[str, list[dict[str, str]]] = {}
    for row in pairwise.rows():
        rows.setdefault(row["question_id"], []).append(row)
    found = preference_of(pairwise, *models, run.images_root, NAMES).examples
    assert 2 <= len(found) <= 3 and len({one.kind for one in found}) == len(found)
    for one in found:
        asked = rows[one.question_id]
        assert [answer for _, answer, _ in one.answers] == [asked[0]["base_answer"], asked[0]["aligned_answer"]]
        assert [(said.first, said.words) for said in one.spoken] == [
            (row["order"].removesuffix("_first"), row["reply"]) for row in asked
        ]
        assert one.picture.uri
        preferred = {f"{name} preferred" for name, _, won in one.answers if won}
        assert preferred <= {one.kind}


def test_a_judge_that_favours_a_place_is_called_out(
    run: FakeRun, models: tuple[Artifact, Artifact], pairwise: Artifact
) -> None:
    def bias(low: float, high: float) -> str:
        place = {"value": (low + high) / 2, "low": low, "high": high}
        results = {**pairwise.results, "first_place": place}
        one = replace(pairwise, manifest=pairwise.manifest | {"results": results})
        return preference_of(one, *models, run.images_root, NAMES).bias

    assert "stands first" in bias(0.6, 0.8) and "stands second" in bias(0.2, 0.4)
    assert bias(0.45, 0.6) == ""


def test_judgements_without_a_verdict_are_shown_as_such(
    run: FakeRun, models: tuple[Artifact, Artifact], pairwise: Artifact
) -> None:
    counts = dict.fromkeys(("pairs", "judged", "unjudged", "identical", "wins", "ties", "losses"), 0)
    results = {**counts, "pairs": 3, "unjudged": 3, "identity": pairwise.results["identity"]}
    bare = replace(pairwise, manifest=pairwise.manifest | {"results": results})
    page, summary, tables = texts_of(run, *models, pairwise=bare)
    assert "No pair got a verdict" in page and "No pair got a verdict" in summary
    assert "tab:preference" not in tables


def test_judgements_of_other_answers_are_refused(
    run: FakeRun, models: tuple[Artifact, Artifact], pairwise: Artifact
) -> None:
    with pytest.raises(ArtifactError, match="prefers among other answers.*base"):
        preference_of(pairwise, models[1], models[1], run.images_root, NAMES)
    with pytest.raises(ArtifactError, match="expected a comparison's 'judgements'"):
        preference_of(models[0], *models, run.images_root, NAMES)


def test_what_a_judge_says_never_becomes_markup(
    run: FakeRun, models: tuple[Artifact, Artifact], pairwise: Artifact
) -> None:
    found = {**pairwise.results["identity"], "served": {"served_as": ["<script>x</script> | _a_"]}}
    results = {**pairwise.results, "identity": found}
    one = replace(pairwise, manifest=pairwise.manifest | {"results": results})
    page, summary, tables = texts_of(run, *models, pairwise=one)
    assert "<script" not in page and "<script" not in summary and r"\_a\_" in tables


def test_the_stage_shows_the_preference_and_sends_its_win_rate(
    run: FakeRun, models: tuple[Artifact, Artifact], pairwise: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, made in zip((BASELINE, MODEL, PAIRWISE), (*models, pairwise), strict=True):
        (tmp_path / "evaluation").mkdir(exist_ok=True)
        (tmp_path / "evaluation" / name).symlink_to(made.path)
    sent: dict[str, float] = {}
    monkeypatch.setattr(tracking, "summary", lambda figures, files, described: sent.update(figures))
    places = [tmp_path / name for name in ("page", "summary", "tables")]
    evaluation_stage.run(tmp_path / "evaluation", run.images_root, *places)
    assert sent["pairwise.win_rate"] == pairwise.results["win_rate"]["value"]
    assert sent.items() >= models[1].scalars.items()
    assert 'id="preference"' in (tmp_path / "tables" / "report.html").read_text()


# Who judged --------------------------------------------------------------------------------------------------------


def test_the_identity_says_who_really_judged_and_what_it_took(run: FakeRun, models: tuple[Artifact, Artifact]) -> None:
    page = Reader(texts_of(run, *(by(model, **USAGE) for model in models))[0].partition('id="identity"')[2]).text
    for said in ("judge-2026", "fp_7", "20 requests, 1 retry, 19 replies, 3 more out of the cache",
                 "2,000 tokens asked, 100 replied", "cost 1.25"):  # fmt: skip
        assert said in page
    assert "The judge was not the same" not in page


@pytest.mark.parametrize("other", [{"served_as": ["judge-2027"]}, {"system_fingerprints": ["fp_8"]}])
def test_two_evaluations_that_another_judge_served_are_shown_with_a_warning(
    run: FakeRun, models: tuple[Artifact, Artifact], other: dict[str, list[str]]
) -> None:
    page, summary, _ = texts_of(run, by(models[0]), by(models[1], **other))
    ((was,), (now,)) = SERVED[next(iter(other))], next(iter(other.values()))  # type: ignore[misc]
    assert page.count("The judge was not the same") == 2, "above the fold, and beside the identities"
    assert was in page and now in page and "The judge was not the same" in summary


def test_a_server_that_does_not_say_who_it_is_gives_no_warning(run: FakeRun, models: tuple[Artifact, Artifact]) -> None:
    page = texts_of(run, by(models[0]), by(models[1], system_fingerprints=[], served_as=[]))[0]
    assert "The judge was not the same" not in page and "the server gave no name" in page


def test_a_truth_of_several_parts_is_written_in_words_without_the_table_of_names() -> None:
    mmhal = json.dumps({"gt_answer": "A cup.", "image_content": ["Cup", "Table"]})
    assert _plain(mmhal) == "reference answer: A cup.; in the picture: Cup, Table"
    assert _plain(json.dumps({"names": {"puppy": "dog"}, "objects": ["dog", "cup"]})) == "in the picture: dog, cup"
    assert _plain('["dog"]') == "dog" and _plain("[]") == "nothing" and _plain("[not JSON") == "[not JSON"
