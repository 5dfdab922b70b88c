"""The evaluation page in a real Chromium: nothing overflows, nothing is fetched, every picture is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundtune.artifacts import read_artifact
from groundtune.report.evaluation_page import write_evaluation
from tests.browser import Page, chromium
from tests.unit.report.preferences import judged
from tests.unit.report.runs import build


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = build(tmp_path_factory.mktemp("run") / "a")
    base, aligned = (read_artifact(str(p), "answers") for p in (run.paths.base_answers, run.paths.aligned_answers))
    pairwise = judged(base, aligned, run.root / "pairwise")
    write_evaluation(base, aligned, run.root / "evaluation.html", run.images_root, pairwise=pairwise)
    return run.root / "evaluation.html"


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_nothing_is_wider_than_the_window(browser: Page, file: Path, width: int) -> None:
    browser.device(width, 800, mobile=width < 700)
    browser.open(file)
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_every_picture_is_there_and_nothing_is_fetched(browser: Page, file: Path) -> None:
    browser.requests.clear()
    browser.errors.clear()
    browser.device(1200, 800)
    browser.open(file)
    browser.evaluate("[...document.images].forEach((one) => { one.loading = 'eager'; })")
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.wait("[...document.images].every((one) => one.complete)")
    assert browser.evaluate("document.images.length") > 4
    assert browser.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
    assert (browser.errors, browser.requests) == ([], [])


def test_every_link_of_the_bar_shows_its_section(browser: Page, file: Path) -> None:
    browser.device(1200, 800)
    browser.open(file)
    browser.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    for target in browser.evaluate("[...document.querySelectorAll('nav a')].map((one) => one.hash.slice(1))"):
        browser.evaluate(f"document.querySelector('nav a[href=\"#{target}\"]').click()")
        top = browser.evaluate(f"document.getElementById('{target}').getBoundingClientRect().top")
        assert -1 <= top < 800, target
