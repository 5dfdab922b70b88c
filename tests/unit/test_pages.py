"""README.md and docs/results.md hold what bench/results/ says: every figure in them comes from a file."""

import json
from pathlib import Path

import pytest

from bench import retraining
from bench.engine import page as performance
from bench.pages import (
    BLOCKS,
    COMPARISONS,
    FIGURES,
    RETRAINING,
    comparison_charts,
    comparison_sentence,
    headline,
    retraining_block,
    retraining_sentence,
)
from groundtune.report.rounds.page import drawings
from tests.drawings import assert_same_drawing

ROOT = Path(__file__).parents[2]


def held(page: str, block: str) -> str:
    text = (ROOT / page).read_text()
    start, end = f"<!-- {block} -->\n", f"\n<!-- end of {block} -->"
    assert text.count(start) == text.count(end) == 1, f"{page} has no block {block}"
    return text.partition(start)[2].partition(end)[0]


def result(name: str) -> dict:
    found: dict = json.loads((ROOT / "bench" / "results" / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("block", BLOCKS)
def test_a_measured_block_of_the_results_page_is_what_its_file_makes(block: str) -> None:
    name, made = BLOCKS[block]
    assert held("docs/results.md", block) == made(result(name)), "python -m bench.pages rewrites the page"


def test_the_readmes_figures_are_what_their_file_makes() -> None:
    assert held("README.md", "demo_alignment") == headline(result("demo_alignment"))
    assert held("README.md", "comparison_demo") == comparison_sentence(result("comparison_demo"))


def test_the_rounds_are_what_their_file_makes() -> None:
    rounds = result(RETRAINING)
    assert held("docs/retraining.md", RETRAINING) == retraining_block(rounds)
    assert held("README.md", "retraining_sentence") == retraining_sentence(rounds)
    for file, svg in drawings(retraining.stories_of(rounds)).items():
        kept = (ROOT / retraining.FIGURES / file).read_text()
        assert_same_drawing(kept, svg, "python -m bench.pages draws them", tolerance=0.11)


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_charts_of_a_comparison_are_what_its_file_makes(name: str) -> None:
    for file, svg in comparison_charts(name, result(name)).items():
        kept = (ROOT / FIGURES / file).read_text()
        assert_same_drawing(kept, svg, "python -m bench.pages draws them", tolerance=0.11)


@pytest.mark.parametrize("file", sorted((ROOT / "bench" / "results").glob("*.json")), ids=lambda file: file.stem)
def test_every_result_is_shown(file: Path) -> None:
    shown = {name for name, _ in BLOCKS.values()}
    assert file.stem in shown | {RETRAINING} | {f"engine_{suite}" for suite, _ in performance.BLOCKS.values()}
