"""The page of a comparison: what it says is what was found, for any number of methods and whatever they are called."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from groundtune.report import comparison_stage
from groundtune.report.charts.figure import Figure
from groundtune.report.charts.standalone import standalone
from groundtune.report.comparison import sentences
from groundtune.report.comparison.markdown import markdown
from groundtune.report.comparison.page import drawings, render
from groundtune.report.comparison.words import key_metrics
from tests.unit.comparison.worlds import Made, Skill, comparison

GOOD, POOR = Skill(0.05, 0.9, 0.05), Skill(0.6, 0.9, 0.3)
VERDICT = {"resamples": 100, "margin": 0.02}
HOSTILE = '<script>alert("1")</script>|$x_{2}$ & \\end{table} [a](b)'


def reported(root: Path, made: list[Made], seeds: int = 2, images: int = 12, **asked: Any) -> dict[str, Any]:
    """The study; the files are in root / "tables"."""
    paths = [comparison(root / str(seed), seed, made, images=images).path for seed in range(seeds)]
    asked = {"rivals": ["sft"], "verdict": VERDICT} | asked
    return comparison_stage.run(paths, root / "page", root / "summary", root / "tables", "A title", **asked)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("comparison")
    half = {"curve": {"name": "share of the pairs", "of": "m3po", "value": 0.5}}
    full = {"curve": {"name": "share of the pairs", "of": "m3po", "value": 1.0}, "about": "hard pairs"}
    made = [Made("sft", POOR, {"trainer": "sft"}), Made("m3po", GOOD, full), Made("m3po_half", GOOD, half)]
    return root, reported(root, made, images=40)


@pytest.fixture
def root(written: tuple[Path, dict[str, Any]]) -> Path:
    return written[0]


@pytest.fixture
def study(written: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    return written[1]


class Read(HTMLParser):
    """Tags in their order, and the text that a person sees."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_all_files_are_there_and_say_the_same(study: dict[str, Any], root: Path) -> None:
    tables = root / "tables"
    names = {path.name for path in tables.iterdir()}
    assert names == {"report.html", "summary.md", "tables.tex", "comparison.json", "figures"}
    assert (tables / "report.html").read_text() == (root / "page").read_text()
    headline = sentences.headline(study)
    assert headline == "m3po is at least as good as sft on POPE F1, CHAIRs and CHAIRi, at equal budget."
    for name in ("report.html", "summary.md", "tables.tex"):
        assert headline in html.unescape((tables / name).read_text())


def test_the_data_alone_make_page_summary_and_figures_again(study: dict[str, Any], root: Path) -> None:
    """So documentation can be written from a result file."""
    read = json.loads((root / "tables" / "comparison.json").read_text())
    assert render(read, "A title") == (root / "page").read_text()
    assert markdown(read, "A title") == (root / "summary").read_text()
    kept = {path.name: path.read_text() for path in (root / "tables" / "figures").iterdir()}
    assert drawings(read) == kept and len(kept) == 2 * len(key_metrics(study))


def test_chairs_and_coverage_stand_side_by_side_and_splits_behind_their_mean(study: dict[str, Any]) -> None:
    assert key_metrics(study) == ["chair/chairs", "chair/recall", "chair/chairi", "pope/f1"]


def test_every_section_has_its_link_and_nothing_is_loaded_from_elsewhere(root: Path) -> None:
    read = Read((root / "page").read_text())
    sections = [attributes["id"] for tag, attributes in read.tags if tag == "section"]
    links = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert links == [f"#{name}" for name in sections] and len(sections) == 7
    assert not {"script", "link", "iframe", "img"} & {tag for tag, _ in read.tags}


def test_the_figures_of_the_table_are_those_of_the_data(study: dict[str, Any], root: Path) -> None:
    text = " ".join(Read((root / "page").read_text()).words)
    chairs = study["methods"][1]["figures"]["chair/chairs"]
    assert f"{chairs['value'] * 100:.1f}\u202f%" in text
    gap = study["verdict"]["rows"][1]["difference"]
    assert f"−{abs(gap['value']) * 100:.1f}\u202fpoints" in text
    assert "hard pairs" in text and "trainer: sft" in text and "24,000" in text


def test_a_figure_as_a_file_has_its_own_colours_light_and_dark(root: Path) -> None:
    drawn = (root / "tables" / "figures" / "chair-chairs.svg").read_text()
    tree = ElementTree.fromstring(drawn)
    assert tree.tag == "{http://www.w3.org/2000/svg}svg" and float(tree.attrib["width"]) > 0
    assert "prefers-color-scheme: dark" in drawn and drawn.count("--chosen:") == 2
    used = {name for kinds in re.findall(r'class="([^"]+)"', drawn) for name in kinds.split()}
    assert {"champion", "rival", "dot", "interval", "grid"} <= used
    style = drawn.partition("<style>")[2].partition("</style>")[0]
    assert all(f".{name}" in style for name in ("champion", "rival", "dot", "interval", "grid", "seed"))
    assert ".card" not in style, "the page's own rules stay on the page"


def test_a_chart_without_text_can_be_a_file_as_well() -> None:
    drawn = standalone(Figure("t", width=10, height=20).render(), ":root { --card: red; }\nsvg .a { fill: red; }")
    assert 'width="10" height="20"' in drawn and "svg .a" in drawn
    ElementTree.fromstring(drawn)


def test_names_of_methods_become_no_markup_anywhere(tmp_path: Path) -> None:
    reported(tmp_path, [Made(HOSTILE, GOOD), Made("sft", POOR)], champion=HOSTILE, images=4)
    page = (tmp_path / "page").read_text()
    read = Read(page)
    assert "script" not in {tag for tag, _ in read.tags} and HOSTILE in read.words
    summary = (tmp_path / "summary").read_text()
    assert "<script>" not in summary and "\\|$x" in summary
    assert len({line.count(" | ") for line in summary.splitlines() if line.startswith("| sft")}) <= 2
    tables = (tmp_path / "tables" / "tables.tex").read_text()
    assert tables.count(r"\end{table}") == tables.count(r"\begin{table}") == 2
    for path in (tmp_path / "tables" / "figures").iterdir():
        ElementTree.fromstring(path.read_text())


def test_one_method_and_one_seed_make_a_page_that_says_so(tmp_path: Path) -> None:
    study = reported(tmp_path, [Made("mine", GOOD)], seeds=1)
    assert sentences.headline(study) == "No verdict: m3po and sft not measured."
    assert any(text.startswith("One seed") for text in sentences.cautions(study))
    page = Read((tmp_path / "page").read_text())
    assert "claim" not in [attributes.get("id") for _, attributes in page.tags]
    assert "mine" in page.words


def test_a_metric_that_was_not_asked_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    study = reported(
        tmp_path,
        [Made("m3po", GOOD), Made("sft", POOR)],
        verdict=VERDICT | {"metrics": ["chair/chairs", "mme/perception"]},
    )
    assert sentences.headline(study) == "No verdict: mme/perception not measured."
    assert "−" in (tmp_path / "summary").read_text(), "the differences that there are"


def test_unequal_budgets_are_said_first_and_with_their_numbers(tmp_path: Path) -> None:
    rich = Made("m3po", GOOD, training={"pairs": 400, "answer_tokens": 30000})
    study = reported(tmp_path, [rich, Made("sft", POOR)])
    assert sentences.headline(study) == "Not comparable: m3po and sft did not learn from the same budget."
    assert sentences.cautions(study)[0] == (
        "Answer tokens: m3po learnt from 30,000, sft from 24,000, which differs by more than 5\u202f%."
    )


def test_a_silent_champion_is_told_from_a_good_one(tmp_path: Path) -> None:
    study = reported(tmp_path, [Made("m3po", Skill(0.0, 0.4, 0.05)), Made("sft", POOR)], images=40)
    said = " ".join(sentences.cautions(study))
    assert "m3po says less than sft: coverage −" in said
    assert "Less is said than by the base model, which lowers CHAIR by itself: coverage of m3po (−" in said


def test_the_tracked_figures_are_the_key_ones_of_every_method(study: dict[str, Any]) -> None:
    found = comparison_stage.scalars(study)
    assert set(found) == {f"{name}.{key}" for name in ("sft", "m3po", "m3po_half") for key in key_metrics(study)}
    assert found["m3po.chair/chairs"] == study["methods"][1]["figures"]["chair/chairs"]["value"]


def test_a_sweep_of_one_method_shows_the_claimed_points_and_one_line(tmp_path: Path) -> None:
    """Every method is on a curve of m3po, which itself is not there."""
    made = [Made(f"m3po_k_{k}", GOOD, {"curve": {"name": "K", "of": "m3po", "value": k}}) for k in (2, 4, 8)]
    study = reported(tmp_path, made, champion="m3po_k_8", rivals=["m3po_k_2"])
    assert [method["variant"] for method in study["methods"]] == [False, True, False]
    drawn = (tmp_path / "tables" / "figures" / "chair-chairs.svg").read_text()
    assert "m3po_k_8" in drawn and "m3po_k_4" not in drawn
    curve = (tmp_path / "tables" / "figures" / "k-chair-chairs.svg").read_text()
    assert curve.count('class="dot line0"') == 3, "the champion's line has the champion's colour"


def test_a_champion_without_rivals_claims_nothing(tmp_path: Path) -> None:
    study = reported(tmp_path, [Made("m3po", GOOD)], rivals=[], images=4)
    assert sentences.headline(study) == "No claim: nothing was named that m3po is held against."


def test_a_failed_claim_names_baseline_and_metrics(tmp_path: Path) -> None:
    study = reported(tmp_path, [Made("m3po", POOR), Made("sft", GOOD)], images=40)
    assert sentences.headline(study) == "m3po is worse than sft on POPE F1, CHAIRs and CHAIRi."


def test_thirteen_methods_and_five_seeds_are_drawn_in_full(tmp_path: Path) -> None:
    made = [Made(f"method_{index:02d}", Skill(0.1 + 0.03 * index, 0.9, 0.1)) for index in range(13)]
    reported(tmp_path, made, seeds=5, images=6, champion="method_00", rivals=[one.name for one in made[1:5]])
    drawn = (tmp_path / "tables" / "figures" / "chair-chairs.svg").read_text()
    assert drawn.count('class="dot') == 13 and drawn.count('class="seed') == 65
    page = (tmp_path / "page").read_text()
    assert all(one.name in page for one in made)
    assert page.count('class="verdict-of') > 13 * 4


def test_the_margin_has_the_unit_of_the_metrics_of_the_claim(study: dict[str, Any]) -> None:
    metrics = study["metrics"] | {"mme/score": {"benchmark": "mme", "metric": "score"}}

    def said(*keys: str, margin: float) -> str:
        return sentences.margin_text({"metrics": metrics, "verdict": {"metrics": keys, "margin": margin}})

    assert said("chair/chairs", "not/measured", margin=0.01) == "1 point"
    assert said("mme/score", margin=5) == "5"
    assert said("mme/score", "chair/chairs", margin=0.02) == "0.02 (2 points of a share)"
