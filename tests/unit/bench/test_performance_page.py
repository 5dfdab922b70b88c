"""docs/performance.md holds what bench/results/engine_*.json says, figures included."""

import re
from pathlib import Path

import pytest

from bench.engine import page, plots
from bench.engine.page import BLOCKS, block_text
from tests.drawings import assert_same_drawing

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "performance.md"
COMMAND = "python -m bench.engine.page rewrites the page"


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_the_page_is_what_its_file_makes(block, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(plots, "FOLDER", tmp_path)
    text = PAGE.read_text()
    start, end = f"<!-- {block} -->\n", f"\n<!-- end of {block} -->"
    assert text.count(start) == text.count(end) == 1
    assert text.partition(start)[2].partition(end)[0] == block_text(block), COMMAND
    for drawn in tmp_path.glob("*.svg"):
        kept = ROOT / "docs/images/performance" / drawn.name
        assert_same_drawing(kept.read_text(), drawn.read_text(), COMMAND)


def test_another_drawing_is_noticed():
    svg = '<path d="M 1.5 23.926312"/>'
    assert_same_drawing(svg, svg.replace("312", "313"), COMMAND)
    for other in (svg.replace("23.92", "23.93"), svg.replace("M", "L"), svg + "<g/>"):
        with pytest.raises(AssertionError):
            assert_same_drawing(svg, other, COMMAND)


def test_every_figure_of_the_page_is_there_for_light_and_dark():
    places = re.findall(r'(?:src|srcset)="([^"]+)"', PAGE.read_text())
    for place in places:
        assert (ROOT / "docs" / place).read_text().startswith("<?xml"), place
    assert sorted(place.replace("-dark", "-light") for place in places if "-dark" in place) == sorted(
        place for place in places if "-light" in place
    )


def test_a_figure_is_drawn_alike_each_time_and_differs_by_theme(tmp_path, monkeypatch):
    panel = plots.Panel("seconds", "K", {"ours": [(2, 1.0), (4, 1.5)], "trl": [(2, 2.0), (4, 4.0)]})
    for folder in ("a", "b"):
        monkeypatch.setattr(plots, "FOLDER", tmp_path / folder)
        shown = plots.draw("one", [panel])
    light, dark = ((tmp_path / "a" / f"one-{theme}.svg").read_text() for theme in ("light", "dark"))
    assert light == (tmp_path / "b" / "one-light.svg").read_text() != dark
    assert "one-dark.svg" in shown and "one-light.svg" in shown and "groundtune" in light


def test_what_was_not_measured_is_said_with_its_command(monkeypatch):
    monkeypatch.setattr(page, "stored", lambda suite: None)
    assert block_text("gpu") == "Not measured yet: `python -m bench.gpu` measures it."
    assert "`python -m bench.engine step`" in block_text("step")
