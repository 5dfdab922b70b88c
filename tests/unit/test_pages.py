"""README.md and docs/results.md hold what bench/results/ says: every figure in them comes from a file."""

import json
from pathlib import Path

import pytest

from bench.pages import BLOCKS, headline

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


@pytest.mark.parametrize("file", sorted((ROOT / "bench" / "results").glob("*.json")), ids=lambda file: file.stem)
def test_every_result_is_shown(file: Path) -> None:
    assert file.stem in {name for name, _ in BLOCKS.values()}
