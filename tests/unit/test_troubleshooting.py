"""docs/troubleshooting.md quotes messages; each of them is still what the code says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
QUOTED = [line for fence in re.findall(r"^```text\n(.*?)^```$", GUIDE, re.M | re.S) for line in fence.splitlines()]
SETTING = re.compile(r"setting '(?P<name>[^']+)' is '.*?': expected (?P<expected>.*)")


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every text but docstrings, with those between the values of an f-string. Python has joined neighbours."""
    comments = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in comments:
            yield node.value


@pytest.fixture(scope="module")
def said() -> list[str]:
    folders = ("groundtune", "components", "pipelines")
    return [
        text
        for folder in folders
        for file in sorted((ROOT / folder).rglob("*.py"))
        for text in _texts(ast.parse(file.read_text("utf-8")))
    ]


def _missing(quote: str, said: list[str]) -> list[str]:
    """Fragments of a quote that no text of the code holds; a setting's name must be a text of its own."""
    setting = SETTING.fullmatch(quote)
    fragments = re.split("…", setting["expected"] if setting else quote)
    missing = [part.strip() for part in fragments if not any(part.strip() in text for text in said)]
    if setting and setting["name"] not in said:
        missing.append(setting["name"])
    return missing


def test_the_guide_quotes_messages() -> None:
    assert len(QUOTED) > 30
    assert all(re.search(r"\w{4}.*\w{4}", quote) for quote in QUOTED), "a quote that any text would hold proves nothing"


@pytest.mark.parametrize("quote", QUOTED)
def test_a_quoted_message_is_what_the_code_says(quote: str, said: list[str]) -> None:
    assert _missing(quote, said) == []


@pytest.mark.parametrize("quote", ["check the color of the bucket", "setting 'colouring' is '1': expected a file"])
def test_a_message_that_nobody_says_would_be_found(quote: str, said: list[str]) -> None:
    assert _missing(quote, said) != []


def test_a_link_of_the_guide_leads_to_a_page() -> None:
    for target in re.findall(r"\]\(([^)#]+)", GUIDE):
        assert (ROOT / "docs" / target).is_file(), target
