"""The page of a comparison in a real Chromium: nothing overflows, nothing is fetched, links go where they say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundtune.report import comparison_stage
from tests.browser import Page, chromium
from tests.unit.comparison.worlds import Made, Skill, comparison


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("comparison")
    names = ["m3po", "sft", "a_name_that_is_much_longer_than_any_label", "x" * 60]
    made = [Made(name, Skill(0.1 + 0.1 * index)) for index, name in enumerate(names)]
    curve = {"curve": {"name": "candidates", "of": "m3po", "value": 2}}
    made.append(Made("m3po_k2", Skill(), curve))
    paths = [comparison(root / str(seed), seed, made, images=8).path for seed in range(2)]
    verdict = {"resamples": 50}
    comparison_stage.run(paths, root / "page.html", root / "s", root / "t", "T" * 80, rivals=["sft"], verdict=verdict)
    return root / "page.html"


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_nothing_is_wider_than_the_window(browser: Page, file: Path, width: int) -> None:
    browser.device(width, 800, mobile=width < 700)
    browser.open(file)
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_every_link_shows_its_section_and_nothing_is_fetched(browser: Page, file: Path) -> None:
    browser.requests.clear()
    browser.errors.clear()
    browser.device(1200, 800)
    browser.open(file)
    browser.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    targets = browser.evaluate("[...document.querySelectorAll('nav a')].map((one) => one.hash.slice(1))")
    assert len(targets) == 7
    for target in targets:
        browser.evaluate(f"document.querySelector('nav a[href=\"#{target}\"]').click()")
        top = browser.evaluate(f"document.getElementById('{target}').getBoundingClientRect().top")
        assert -1 <= top < 800, target
    assert (browser.errors, browser.requests) == ([], [])


def test_a_figure_as_a_file_is_drawn_in_the_scheme_of_who_looks(browser: Page, file: Path) -> None:
    fills = []
    for dark in (False, True):
        browser.device(600, 600, dark=dark)
        browser.open(file.parent / "t" / "figures" / "chair-chairs.svg")
        fills.append(browser.evaluate("getComputedStyle(document.querySelector('.dot.champion')).fill"))
    assert fills == ["rgb(11, 122, 117)", "rgb(79, 195, 184)"]
