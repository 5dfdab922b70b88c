"""The sheet in a real Chromium: keys, taps, reload, saving, and the way back into a win rate."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.human_preference.key import Key
from groundtune.benchmarks.human_preference.result import read_verdicts
from groundtune.benchmarks.human_preference.sheet import write_sheet
from tests.browser import Page, chromium
from tests.unit.benchmarks.human_preference.sheets import HOSTILE, two_models, write_answers

COUNT = 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture
def sheet(tmp_path: Path, browser: Page) -> tuple[Key, Page]:
    """Six pairs, open in the browser, nobody has begun."""
    file = tmp_path / "out" / "sheet.html"
    key = write_sheet(*two_models(tmp_path, COUNT), str(tmp_path / "images"), file)
    browser.device(1280, 800)
    browser.requests.clear()
    browser.errors.clear()
    browser.open(file)
    browser.evaluate("localStorage.clear()")
    browser.reload()
    browser.downloads(tmp_path)
    return key, browser


def begin(page: Page, name: str = "Ada") -> None:
    page.click("#rater")
    page.type(name)
    page.key("Enter")
    page.wait("document.body.dataset.view === 'pair'")


def download(folder: Path) -> Path:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if found := [file for file in folder.glob("verdicts-*.json") if file.stat().st_size]:
            return found[0]
        time.sleep(0.05)
    raise TimeoutError("no file was saved")


def test_every_key_gives_its_verdict_and_the_saved_file_reads_back(sheet: tuple[Key, Page], tmp_path: Path) -> None:
    key, page = sheet
    begin(page, "Ada Löve")
    for number, press in enumerate(["1", "ArrowRight", "0", "t", "2", "ArrowLeft"]):
        assert page.text("#count") == f"Pair {number + 1} of {COUNT}"
        page.key(press)
    assert page.text("#done-title") == "Thank you, Ada Löve."
    page.key("s")
    file = download(tmp_path)
    assert file.name == f"verdicts-ada-löve-{key.sheet[:8]}.json"
    content = json.loads(file.read_text())
    assert [one["choice"] for one in content["verdicts"]] == ["first", "second", "tie", "tie", "second", "first"]
    assert [one["pair"] for one in content["verdicts"]] == [pair.pair_id for pair in key.pairs]
    assert all(one["seconds"] >= 0 and one["at"].endswith("Z") for one in content["verdicts"])
    wins = [
        {"tie": 0.5}.get(one["choice"], float((one["choice"] == "first") == pair.aligned_first))
        for one, pair in zip(content["verdicts"], key.pairs, strict=True)
    ]
    result = read_verdicts(key, [file], Resampling(50))
    assert result.raters["Ada Löve"].win_rate.value == pytest.approx(sum(wins) / COUNT)
    assert page.errors == [] and page.requests == []


def test_a_reload_and_a_new_visit_lose_nothing(sheet: tuple[Key, Page]) -> None:
    _, page = sheet
    begin(page)
    page.key("1")
    page.key("0")
    page.reload()
    assert page.text("#count") == f"Pair 3 of {COUNT}" and page.text("#left") == "2 answered"
    page.key("Backspace")
    assert page.evaluate("document.querySelector('[aria-pressed=true]').dataset.choice") == "tie"
    page.evaluate("location.href = location.href")
    page.wait(f"document.querySelector('#count')?.textContent === 'Pair 2 of {COUNT}'")
    assert page.evaluate("state.rater") == "Ada"


def test_a_verdict_can_be_looked_at_again_and_changed(sheet: tuple[Key, Page]) -> None:
    _, page = sheet
    begin(page)
    page.key("1")
    page.key("1")
    page.key("Backspace")
    page.key("Backspace")
    assert page.text("#count") == f"Pair 1 of {COUNT}"
    assert page.evaluate("document.querySelector('#first').classList.contains('picked')")
    page.key("2")
    assert page.text("#count") == f"Pair 3 of {COUNT}", "what has a verdict is not asked again"
    assert page.evaluate("Object.values(state.verdicts).map((v) => v.choice)") == ["second", "first"]


def test_a_skipped_pair_is_said_to_be_open_and_can_be_gone_to(sheet: tuple[Key, Page]) -> None:
    _, page = sheet
    begin(page)
    page.key("Enter")
    for _ in range(COUNT - 1):
        page.key("2")
    assert page.text("#done-title") == "1 pair still open"
    page.click("#done-open")
    assert page.text("#count") == f"Pair 1 of {COUNT}"
    page.click("[data-choice=first]")
    assert page.text("#done-title") == "Thank you, Ada."


def test_nobody_begins_or_saves_without_a_name(sheet: tuple[Key, Page]) -> None:
    _, page = sheet
    page.click("#rater")
    page.type("   ")
    page.key("Enter")
    assert page.evaluate("document.body.dataset.view") == "start"
    assert page.evaluate("document.querySelector('#rater').getAttribute('aria-invalid')") == "true"
    page.key("2")
    assert page.evaluate("answered()") == 0 and page.evaluate("document.querySelector('#rater').value") == "   2"


def test_help_opens_by_its_key_and_keys_rest_behind_it(sheet: tuple[Key, Page]) -> None:
    _, page = sheet
    begin(page)
    page.key("?")
    assert page.evaluate("document.querySelector('#help').open")
    page.key("1")
    assert page.evaluate("answered()") == 0
    page.key("Escape")
    assert not page.evaluate("document.querySelector('#help').open")
    page.key("z")
    assert page.evaluate("document.querySelector('#zoom').open")
    page.key("z")
    page.key("1", modifiers=2)
    assert page.evaluate("answered()") == 0, "Ctrl+1 belongs to the browser"
    page.key("1")
    assert page.evaluate("answered()") == 1


def test_the_pictures_are_there_and_nothing_of_a_models_text_runs(tmp_path: Path, browser: Page) -> None:
    base, aligned = write_answers(tmp_path, "base", [HOSTILE]), write_answers(tmp_path, "aligned", [""])
    file = tmp_path / "out" / "sheet.html"
    write_sheet(base, aligned, str(tmp_path / "images"), file)
    browser.requests.clear()
    browser.errors.clear()
    browser.open(file)
    begin(browser)
    browser.wait("document.querySelector('#image').complete")
    assert browser.evaluate("document.querySelector('#image').naturalWidth") == 48
    texts = browser.evaluate("[...document.querySelectorAll('article p')].map((p) => p.textContent)")
    assert sorted(texts) == sorted([HOSTILE, "(an empty answer)"])
    assert browser.evaluate("document.images.length") == 2
    assert (browser.errors, browser.requests) == ([], [])


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568), (768, 1024), (1280, 720), (1920, 1080)])
def test_nothing_is_wider_than_the_window_and_verdicts_are_always_in_reach(
    sheet: tuple[Key, Page], width: int, height: int
) -> None:
    _, page = sheet
    page.device(width, height, mobile=width < 700)
    begin(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for choice in ("first", "tie", "second"):
        place = page.evaluate(
            f"(() => {{ const r = document.querySelector('[data-choice={choice}]').getBoundingClientRect();"
            " return [r.left, r.right, r.top, r.bottom, r.height]; })()"
        )
        assert place[0] >= 0 and place[1] <= width and place[2] >= 0 and place[3] <= height
        assert place[4] >= 44, "a finger needs 44 pixels"
