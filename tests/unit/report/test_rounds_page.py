"""The page of rounds: what it says is what the records say, and what the gate refused is never shown as served."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from groundtune import storage
from groundtune.promotion.gate import GateVerdict, Rule, decide
from groundtune.report import rounds_stage
from groundtune.report.rounds.figure import chart, charts, course, served_now
from groundtune.report.rounds.markdown import markdown
from groundtune.report.rounds.page import drawings, render
from groundtune.report.rounds.words import cautions, champion_now, explanation, headline, key_metrics
from groundtune.rounds.intake import DONE, FAILED, Rounds
from groundtune.rounds.record import (
    PROMOTED,
    REFUSED,
    RUNNING,
    RoundRecord,
    RoundStory,
    decide_once,
    stories,
)
from groundtune.settings import GateSettings
from tests.browser import Page, chromium
from tests.unit.comparison.worlds import Skill, evaluation
from tests.unit.rounds.test_intake import put, row

HOSTILE = '<script>alert("1")</script>|$x_{2}$ & [a](b) **b**'
CHAIRS = "chair/chairs"
REASON = "chair/chairs is better than the champion's"
WHY = "train_dpo: lost its node"
WARNING = "MAS: PSI 0.31 against the first round"


def estimate(value: float, better: str) -> dict[str, Any]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "better": better}


def figures(chairs: float) -> dict[str, dict[str, Any]]:
    return {
        "pope/f1": estimate(0.85, "higher"),
        "pope_random/f1": estimate(0.87, "higher"),
        "chair/recall": estimate(0.7, "higher"),
        "chair/words": estimate(80.0, ""),
        CHAIRS: estimate(chairs, "lower"),
    }


def verdict(holds: bool) -> dict[str, Any]:
    rules = (
        Rule(REASON, "0.3 against 0.4", holds),
        Rule("chair/recall is at most 0.02 worse than the champion's", "0.7 against 0.7", True),
    )
    return GateVerdict(rules, "a", "b", "c").as_dict()


def record(number: int, before: float, after: float, champion: str, challenger: str, promote: bool) -> RoundRecord:
    return RoundRecord(
        number=number,
        run="a-run",
        at="2026-11-22T10:03:00+00:00",
        rows={},
        pairs=803,
        policy="champion",
        parent=champion,
        champion=champion,
        reign=0,
        challenger=challenger,
        promote=promote,
        verdict=verdict(promote),
        figures={"champion": figures(before), "challenger": figures(after), "base": figures(0.412)},
    )


def story(number: int, state: str, of: RoundRecord | None = None, why: str = "") -> RoundStory:
    at = f"2026-11-{number:02d}T03:10:00+00:00"
    rows = {"new": 1200 + number, "again": 40 + number, "unreadable": 7}
    return RoundStory(number, state, at, "" if state == RUNNING else at, why, rows, of)


FIRST = story(1, PROMOTED, record(1, 0.412, 0.331, "", "1", True))
SECOND = story(2, REFUSED, record(2, 0.331, 0.349, "1", "2", False))
THIRD = story(3, FAILED, why=WHY)
DRIFT = {"mas": {"psi": 0.31, "ks": 0.16}, "confidence": {"psi": 0.12, "ks": 0.08}}
FOURTH = story(4, PROMOTED, replace(record(4, 0.331, 0.277, "1", "3", True), drift=DRIFT, warnings=[WARNING]))
ALL = [FIRST, SECOND, THIRD, FOURTH]


class Read(HTMLParser):
    """Tags in their order, the text that a person sees, and the cells of every table row."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self._hidden = self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        self._hidden = tag == "style"
        self._cell = self._cell or tag == "td"
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False
        self._cell = self._cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += f" {data}"
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def table(self) -> list[list[str]]:
        return [[" ".join(cell.split()) for cell in row] for row in self.rows if row]


@pytest.mark.parametrize(
    ("told", "said", "because"),
    [
        (ALL, "Round 4: promoted, version 3 is champion after version 1", "CHAIRs 33.1\u202f% → 27.7\u202f%"),
        ([FIRST], "Round 1: promoted, version 1 is champion after the base model", "all 2 rules hold"),
        (ALL[:2], "Round 2: refused, version 1 stays champion", f"{REASON}: 0.3 against 0.4"),
        (ALL[:3], "Round 3: failed, version 1 stays champion", WHY),
        ([story(1, FAILED, why=WHY)], "Round 1: failed, the base model stays in use", WHY),
        ([story(1, RUNNING)], "Round 1 is running, nothing is decided yet", "Begun 2026-11-01 03:10."),
        ([*ALL, story(5, RUNNING)], "Round 5 is running, version 3 is champion", "Begun 2026-11-05 03:10."),
        ([story(1, REFUSED)], "Round 1: refused, the base model stays in use", "It has no challenger."),
        ([], "No rounds yet, nothing is decided", "enough prompts"),
    ],
)
def test_the_headline_is_how_the_last_round_ended_and_why(told: list[RoundStory], said: str, because: str) -> None:
    assert headline(told) == said and because in explanation(told)
    page = Read(render(told, "Kitchen"))
    assert said in page.text and because.replace("\u202f", " ") in page.text
    assert f"**{said}**" in markdown(told, "Kitchen")


def test_a_round_that_is_decided_and_not_ended_has_changed_nothing_yet() -> None:
    told = [FIRST, replace(FOURTH, number=2, state=RUNNING, ended="")]
    assert headline(told) == "Round 2: decided and not ended, version 3 passed"
    assert champion_now(told) == "1"
    assert [point.version for point in course(told, CHAIRS).served] == ["", "1"]


def test_every_round_has_a_line_with_its_lineage() -> None:
    rows = [row for row in Read(render(ALL)).table if len(row) == 8][:4]
    assert [row[0] for row in rows] == [f"Round {n} 2026-11-0{n} 03:10" for n in (4, 3, 2, 1)]
    promoted, failed, refused, first = (row[1:] for row in rows)
    assert promoted == ["promoted", "1,204", "803", "version 1", "version 1", "version 3", "33.1 % → 27.7 %"]
    assert failed == [f"failed {WHY}.", "1,203", "–", "–", "–", "–", "–"]
    assert refused[0] == f"refused {REASON}: 0.3 against 0.4." and refused[3:6] == [
        "version 1",
        "version 1",
        "version 2",
    ]
    assert first[3:6] == ["base model", "base model", "version 1"]


def test_the_gate_is_shown_rule_by_rule_for_the_last_decided_round() -> None:
    page = Read(render(ALL[:3]))
    assert "The gate on round 2" in page.text, "the third failed before the gate"
    assert [REASON, "0.3 against 0.4", "fails"] in page.table
    assert ["chair/recall is at most 0.02 worse than the champion's", "0.7 against 0.7", "holds"] in page.table


def test_rows_and_drift_of_every_round_are_there_with_the_warnings() -> None:
    rows = Read(render(ALL)).table
    assert ["Round 3 2026-11-03 03:10", "1,203", "7", "43", "–", "", "–", ""] in rows
    assert ["Round 4 2026-11-04 03:10", "1,204", "7", "44", "0.31 shift", "0.16", "0.12 drifting", "0.08"] in rows
    assert [WARNING] in rows and cautions(ALL) == [f"Round 4: {WARNING}"]


def test_a_base_model_that_was_asked_other_questions_is_a_caution() -> None:
    assert cautions([FIRST, SECOND]) == []
    assert SECOND.record is not None
    other = replace(SECOND.record, figures={**SECOND.record.figures, "base": figures(0.39)})
    (said,) = cautions([FIRST, replace(SECOND, record=other)])
    assert said.startswith("The base model's CHAIRs changed between rounds")


def test_the_champions_line_never_shows_what_was_not_promoted() -> None:
    stopped = story(5, FAILED, record(5, 0.277, 0.1, "3", "4", True), why="stopped before it was promoted")
    found = course([*ALL, stopped], CHAIRS)
    assert [(p.round, p.version, p.estimate["value"]) for p in found.served] == [
        (0, "", 0.412),
        (1, "1", 0.331),
        (2, "1", 0.331),
        (4, "3", 0.277),
    ]
    assert [(p.round, p.version, p.estimate["value"]) for p in found.unserved] == [(2, "2", 0.349), (5, "4", 0.1)]
    assert found.failed == [3, 5] and found.base == figures(0.412)[CHAIRS]


def test_the_drawn_line_is_flat_where_nothing_was_promoted_and_hollow_points_are_off_it() -> None:
    metric = next(metric for metric in key_metrics(ALL) if metric.key == CHAIRS)
    drawn = str(chart(ALL, metric))
    (path,) = re.findall(r'<path d="([^"]+)" class="mean champion"', drawn)
    corners = [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", path)]
    assert all(one[0] == two[0] or one[1] == two[1] for one, two in itertools.pairwise(corners)), "steps, no slopes"
    heights = [height for _, height in corners]
    start, *_, last = heights
    assert len(set(heights)) == 3 and start < heights[2] < last, "less is lower: three models were served"
    solid = re.findall(r'cy="([\d.]+)" r="4.5" class="dot (?:champion|base)"', drawn)
    hollow = re.findall(r'cy="([\d.]+)" r="4.5" class="dot unserved"><title>([^<]+)', drawn)
    assert {float(y) for y in solid} == set(heights)
    assert [words for _, words in hollow] == ["round 2, version 2: 34.9\u202f% (32.9 to 36.9)"]
    assert not {float(y) for y, _ in hollow} & set(heights)
    assert drawn.count('class="zero"') == 1 and "round 3 failed" in drawn and "27.7\u202f%" in drawn


def test_the_figures_are_those_that_the_gate_asks_for_first(tmp_path: Path) -> None:
    """With the words of a real verdict."""
    base, better = (evaluation(tmp_path / str(chance), Skill(chance), 0, 12) for chance in (0.5, 0.1))
    asked = GateSettings(must_improve=("pope/f1",), may_fall={"chair/chairi": 0.5})
    assert FIRST.record is not None
    measured = {key: estimate(0.5, "higher") for key in ("chair/chairs", "chair/chairi", "pope_random/f1", "pope/f1")}
    measured["chair/words"] = estimate(80.0, "")
    given = {"champion": measured, "challenger": measured}
    found = replace(FIRST.record, figures=given, verdict=decide(base, better, base, asked).as_dict())
    keys = [metric.key for metric in key_metrics([replace(FIRST, record=found)])]
    assert keys == ["pope/f1", "chair/chairi", "chair/chairs", "pope_random/f1"], "a split after its mean"


def test_the_newest_rounds_come_first_and_many_are_folded() -> None:
    many = [replace(SECOND, number=number) for number in range(1, 61)]
    page = render(many)
    rows = [row[0] for row in Read(page).table if len(row) == 8]
    assert len(rows) == 60 and rows[0].startswith("Round 60 ")
    folded = page[: page.index("40 earlier rounds</summary>", page.index('id="rounds"'))]
    assert "Round 41<" in folded and "Round 40<" not in folded[folded.index('id="rounds"') :]
    text = markdown(many)
    assert "48 earlier rounds are on the page." in text and len(text) < 5000
    (name,) = [name for name in drawings(many) if "chairs" in name]
    written = re.findall(r'class="tick">(\d+)<', drawings(many)[name])
    assert [written[0], written[-1]] == ["10", "60"], "numbers that would touch are left out"


def test_markdown_has_a_line_a_round_and_no_broken_table() -> None:
    lines = [line for line in markdown(ALL, "Kitchen").splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {9} and len(lines) == 6
    assert lines[2] == (f"| 4 | 1,204 | 803 | version 1 | version 3 | promoted | 33.1 % → 27.7 % | {WARNING} |")
    assert lines[3] == "| 3 | 1,203 | – | – | – | failed | – | – |"


def test_text_from_outside_becomes_no_markup_anywhere() -> None:
    assert FOURTH.record is not None
    bad = verdict(False)
    bad["rules"] = [{"asked": HOSTILE, "found": HOSTILE, "holds": False}]
    bad["sentence"] = HOSTILE
    found = replace(
        FOURTH.record,
        parent=HOSTILE,
        champion=HOSTILE,
        challenger=HOSTILE,
        verdict=bad,
        warnings=[HOSTILE],
        drift={HOSTILE: {"psi": 0.0, "ks": 0.0}},
        figures={who: {f"{HOSTILE}/{HOSTILE}": estimate(0.5, "higher")} for who in ("champion", "challenger", "base")},
    )
    told = [story(1, FAILED, why=HOSTILE), replace(FOURTH, number=2, record=found)]
    page, text = Read(render(told, HOSTILE)), markdown(told, HOSTILE)
    assert "script" not in {tag for tag, _ in page.tags} and page.text.count("<script>") > 10
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert "<script>" not in text and {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {9}
    for name, svg in drawings(told).items():
        assert re.fullmatch(r"[a-z0-9-]+\.svg", name)
        ElementTree.fromstring(svg)


def test_every_link_has_its_section_and_nothing_is_loaded_from_elsewhere() -> None:
    for told, sections in ((ALL, 4), ([THIRD], 2), ([], 0)):
        page = Read(render(told))
        named = [attributes["id"] for tag, attributes in page.tags if tag == "section" and "id" in attributes]
        links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
        assert links == [f"#{name}" for name in named] and len(named) == sections
        assert not {"script", "link", "iframe", "img"} & {tag for tag, _ in page.tags}


def test_a_chart_as_a_file_has_its_own_colours() -> None:
    drawn = drawings(ALL)["chair-chairs.svg"]
    style = drawn.partition("<style>")[2].partition("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert all(f".{name}" in style for name in ("champion", "unserved", "lost", "zero", "interval"))
    assert len(drawings(ALL)) == len(charts(ALL)) == 4


@pytest.fixture
def root(tmp_path: Path) -> str:
    """Two real rounds: promoted, then failed."""
    inbox, kept = tmp_path / "inbox", Rounds(str(tmp_path / "rounds"))
    put(inbox, "a.jsonl", row(1), row(2))
    first = kept.open(str(inbox))
    assert first is not None and FIRST.record is not None
    decide_once(first.place, FIRST.record)
    kept.end(first, DONE)
    put(inbox, "b.jsonl", row(2), row(3))
    second = kept.open(str(inbox))
    assert second is not None
    kept.end(second, FAILED, WHY)
    return kept.root


def test_the_stage_writes_its_files_and_leaves_the_newest_page_beside_the_rounds(root: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = rounds_stage.run(root, out / "page", out / "summary", "Kitchen", figures=out / "svg")
    page = (out / "page").read_text()
    assert page == render(stories(root), "Kitchen") and "Round 2: failed" in page
    assert "lost its node" in (out / "summary").read_text()
    assert Path(root, "report.html").read_text() == page
    drawn = {path.name for path in (out / "svg").iterdir()}
    assert drawn == {path.name for path in Path(root, "figures").iterdir()} == set(drawings(stories(root)))
    assert found["champion.chair/chairs"] == 0.331 and len(found) == 4
    assert Rounds(root).numbers() == [1, 2], "the page is no round"
    assert rounds_stage.run(root, out / "page", out / "summary", "Kitchen") == found
    assert (out / "page").read_text() == page == storage.read_bytes(f"{root}/report.html").decode()


def test_the_stage_of_no_rounds_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rounds_stage.run(str(tmp_path / "rounds"), tmp_path / "page", tmp_path / "summary") == {}
    assert "No rounds yet" in (tmp_path / "page").read_text() and "No rounds yet" in (tmp_path / "summary").read_text()
    assert "No rounds yet, nothing is decided" in capsys.readouterr().out


def test_no_figure_is_told_of_a_champion_that_was_not_measured() -> None:
    """Here the newest challenger was, by another benchmark than the champions before it."""
    assert FOURTH.record is not None
    measured = {who: {"pope/f1": estimate(0.5, "higher")} for who in ("champion", "challenger")}
    waiting = replace(FOURTH, state=RUNNING, record=replace(FOURTH.record, figures=measured))
    assert served_now([FIRST, waiting], CHAIRS) == figures(0.331)[CHAIRS]
    rolled_back = replace(FOURTH, state=REFUSED, record=replace(FOURTH.record, champion="7", figures=measured))
    assert served_now([FIRST, rolled_back], CHAIRS) is None
    assert rounds_stage.scalars([FIRST, rolled_back]) == {"champion.pope/f1": 0.5}


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert FOURTH.record is not None
    long = replace(FOURTH.record, challenger="v" * 60, warnings=["W" * 200])
    told = [*ALL[:3], replace(FOURTH, record=long), story(5, FAILED, why="x" * 300)]
    written = tmp_path_factory.mktemp("rounds") / "page.html"
    written.write_text(render(told, "T" * 80))
    return written


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_nothing_is_wider_than_the_window(browser: Page, file: Path, width: int) -> None:
    browser.device(width, 800, mobile=width < 700)
    browser.open(file)
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('.card')].filter((one) => one.scrollWidth > one.clientWidth + 1).length"
    assert browser.evaluate(wide) == 0


def test_links_show_their_section_and_hollow_points_are_hollow_in_both_schemes(browser: Page, file: Path) -> None:
    browser.requests.clear()
    browser.errors.clear()
    colours = []
    for dark in (False, True):
        browser.device(1200, 800, dark=dark)
        browser.open(file)
        fill = "getComputedStyle(document.querySelector('.dot.unserved')).fill"
        card = "getComputedStyle(document.querySelector('.panel')).backgroundColor"
        assert browser.evaluate(fill) == browser.evaluate(card)
        colours.append(browser.evaluate("getComputedStyle(document.querySelector('.dot.champion')).fill"))
    assert colours == ["rgb(11, 122, 117)", "rgb(79, 195, 184)"]
    browser.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    for target in ("champion", "rounds", "gate", "arrivals"):
        browser.evaluate(f"document.querySelector('nav a[href=\"#{target}\"]').click()")
        assert -1 <= browser.evaluate(f"document.getElementById('{target}').getBoundingClientRect().top") < 800
    assert (browser.errors, browser.requests) == ([], [])
