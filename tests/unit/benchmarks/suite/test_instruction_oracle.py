"""IFT held against a second, plain reading of its reference page, on thousands of answers, ugly ones too.

Written from docs/reference/instruction_following.md letter by letter, without regular expressions; it shares no line
with the checks. Languages are those of texts whose language is known: a second detector would be a second opinion.
"""

import json
import random
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.question import Answered, Question
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import results_of
from groundtune.benchmarks.suite.instruction_following.checks import CHECKS
from tests.unit.benchmarks.suite.ugly_answers import descriptions, yes_no_answers

ANSWERS = 3000
PRINTED = 10
ABBREVIATIONS = (
    "mr.", "mrs.", "ms.", "dr.", "st.", "e.g.", "i.e.", "vs.", "approx.", "no.", "fig.", "z.b.", "d.h.", "bzw.",
)  # fmt: skip


def letter(character: str) -> bool:
    """Letters, digits and what else belongs to a word."""
    return character.isalnum() or character == "_"


def count_words(text: str) -> int:
    count = i = 0
    while i < len(text):
        if not letter(text[i]):
            i += 1
            continue
        count += 1
        while i < len(text) and (letter(text[i]) or (text[i] in "'’-" and i + 1 < len(text) and letter(text[i + 1]))):
            i += 1
    return count


def count_sentences(text: str) -> int:
    count = 0
    for line in text.splitlines():
        start = i = 0
        while i < len(line):
            if line[i] not in ".!?…。！？":
                i += 1
                continue
            end = marks = i + len(line[i:]) - len(line[i:].lstrip(".!?…。！？"))
            while end < len(line) and line[end] in "\"'”’»)]":
                end += 1
            ideographic = [place + 1 for place in range(i, marks) if line[place] in "。！？"]
            if end == len(line) or line[end].isspace():
                cut = end
            elif ideographic:  # no white space follows these
                cut = ideographic[0]
            else:
                i = marks
                continue
            token = line[start:cut][-12:].split()
            last = token[-1].lower().lstrip("\"'“‘«([") if token else ""
            initial = len(last) == 2 and last[0].isalpha() and last[1] == "." and last != "i."
            if last not in ABBREVIATIONS and not initial:
                count += count_words(line[start:cut]) > 0
                start = cut
            i = cut
        count += count_words(line[start:]) > 0
    return count


def count_paragraphs(text: str) -> int:
    parts, current = [], ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip():
            current += line + "\n"
        else:
            parts.append(current)
            current = ""
    return sum(count_words(part) > 0 for part in [*parts, current])


def list_items(text: str) -> tuple[int, int]:
    """(bullets, numbered items)."""
    bullets, numbers = 0, []
    for line in text.splitlines():
        bare = line.lstrip()
        bullets += len(bare) > 1 and bare[0] in "-*+•–" and bare[1].isspace() and bool(bare[1:].strip())
        digits = 0
        while digits < len(bare) and bare[digits].isdecimal():
            digits += 1
        if (
            0 < digits < len(bare) - 1
            and bare[digits] in ".)"
            and bare[digits + 1].isspace()
            and bare[digits + 1 :].strip()
        ):
            numbers.append(int(bare[:digits][:9]))
    return bullets, len(numbers) if numbers == list(range(1, len(numbers) + 1)) else 0


def unspaced(character: str) -> bool:
    """Of a script without spaces between words, by Unicode's names."""
    name = unicodedata.name(character, "")
    return name.startswith(("CJK ", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "THAI", "LAO", "MYANMAR", "KHMER"))


def has_word(text: str, word: str) -> bool:
    text, word = (unicodedata.normalize("NFKC", each).casefold() for each in (text, word))
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(word) : at + len(word) + 1]
        free_before = not before or not letter(before) or unspaced(before) or unspaced(word[0])
        if free_before and (not after or not letter(after) or unspaced(after) or unspaced(word[-1])):
            return True
        at = text.find(word, at + 1)
    return False


def only(text: str, wanted: Callable[[str], bool], other: Callable[[str], bool]) -> bool:
    """Letter by letter: a mathematical "𝐍" is a capital, though nothing is its small letter."""
    return any(map(wanted, text)) and not any(other(one) or unicodedata.category(one) == "Lt" for one in text)


def met(answer: str, constraint: dict[str, Any], language: str) -> bool:
    if not [character for character in answer if character.isalnum()]:
        return False
    name = constraint["check"]
    counts = {
        "words": count_words,
        "sentences": count_sentences,
        "paragraphs": count_paragraphs,
        "characters": lambda text: len(text.strip()),
        "bullets": lambda text: list_items(text)[0],
        "numbered": lambda text: list_items(text)[1],
    }
    if name in counts:
        count = counts[name](answer)
        return not ("least" in constraint and count < constraint["least"]) and not (
            "most" in constraint and count > constraint["most"]
        )
    folded = unicodedata.normalize("NFKC", answer).casefold().strip()
    if name == "json":
        text = answer.strip()
        if text.startswith("```") and text.endswith("\n```"):
            text = text[3:-3].removeprefix("json").removeprefix("JSON")
        try:
            value = json.loads(text)
        except ValueError:
            return False
        return (
            isinstance(value, dict) and set(constraint["keys"]) <= set(value)
            if constraint.get("keys")
            else (isinstance(value, (dict, list)))
        )
    return {
        "one_word": lambda: count_words(answer) == 1 and len(answer.split()) == 1,
        "no_commas": lambda: not {",", "，", "、", "،"} & set(answer),
        "upper_case": lambda: only(answer, str.isupper, str.islower),
        "lower_case": lambda: only(answer, str.islower, str.isupper),
        "quoted": lambda: len(answer.strip()) > 2 and answer.strip()[0] in '"“„«' and answer.strip()[-1] in '"”“»',
        "mentions": lambda: all(has_word(answer, word) for word in constraint["words"]),
        "mentions_any": lambda: any(has_word(answer, word) for word in constraint["words"]),
        "avoids": lambda: not any(has_word(answer, word) for word in constraint["words"]),
        "starts_with": lambda: folded[: len(constraint["text"])] == constraint["text"].lower(),
        "ends_with": lambda: folded[-len(constraint["text"]) :] == constraint["text"].lower(),
        "language": lambda: language == constraint["language"],
    }[name]()


SPOKEN = (
    ("There is a red cup on the left and there are two dogs.", "en"),
    ("Das ist ein Hund und eine Katze, die auf dem Tisch sind.", "de"),
    ("Il y a un chien et une tasse sur la table.", "fr"),
    ("这是一只狗。", "zh"),
)  # fmt: skip
SHAPES = (
    "- {}\n- {}", "1. {}\n2. {}", "1) {}\n3) {}", '["{}", "{}"]', '{{"objects": "{}", "background": "{}"}}', "{}\n\n{}",
    '"{} {}"', "In this image {} {}", "{}. {} That is all.", "```json\n[1]\n```", "{}! {}?", "{} e.g. {}", "{}。{}",
    "{}.\" {}", "• {}\n\n\n* {}", "{}", "{}_{}", "{}-{}",
)  # fmt: skip


def answers(count: int, seed: int) -> list[tuple[str, str]]:
    """(answer, its language or "")."""
    rng = random.Random(seed)
    made = [
        (answer, "") for answer in yes_no_answers(count // 3, seed) + descriptions(("dog", "cat"), count // 3, seed)
    ]
    while len(made) < count:
        if rng.random() < 0.1:
            made.append(rng.choice(SPOKEN))
            continue
        parts = (
            "dog",
            "a red cat",
            "Left",
            "image",
            "IS",
            "two",
            "Dr. No",
            "3.5",
            "well-known",
            "x",
            "Ｌｅｆｔ",
            "dogs",
            "左の犬",
        )
        text = rng.choice(SHAPES).format(*rng.choices(parts, k=2))
        made.append((rng.choice((str, str, str.upper, str.lower, str.strip))(text), ""))
    rng.shuffle(made)
    return made


def constraint(rng: random.Random) -> dict[str, Any]:
    name = rng.choice(list(CHECKS))
    found: dict[str, Any] = {"check": name}
    allowed = CHECKS[name].arguments
    if "least" in allowed:
        low = rng.randint(0, 4)
        found |= rng.choice(({"least": low}, {"most": low + 2}, {"least": low, "most": low + rng.randint(0, 3)}))
    if "words" in allowed:
        found["words"] = rng.sample(("dog", "cat", "left", "no", "yes", "red cat", "image", "犬"), k=rng.randint(1, 2))
    if "text" in allowed:
        found["text"] = rng.choice(("In this image", "That is all.", "no", "yes", "dog"))
    if "language" in allowed:
        found["language"] = rng.choice(("de", "en", "fr", "zh"))
    if name == "json" and rng.random() < 0.5:
        found["keys"] = rng.choice((["objects"], ["objects", "background"], ["colour"]))
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ift_agrees_with_its_reference_page_read_by_hand(seed: int) -> None:
    rng = random.Random(seed)
    ift = benchmark_named("ift")
    rows, hits, asked, whole = [], {name: [0, 0] for name in CHECKS}, 0, 0
    for i, (answer, language) in enumerate(answers(ANSWERS, seed)):
        wanted = [constraint(rng) for _ in range(rng.randint(1, 3))]
        if not language:  # of these nobody knows the language
            wanted = [one for one in wanted if one["check"] != "language"] or [{"check": "no_commas"}]
        question = Question("ift", str(i), f"{i}.png", "?", wanted, "open")
        row = Answered(question, answer, ift.parse(question, answer))
        truth = [met(answer, one, language) for one in wanted]
        assert json.loads(row.parsed) == truth, (answer[:200], wanted)
        for one, value in zip(wanted, truth, strict=True):
            hits[one["check"]][value] += 1
        rows.append(row)
        asked += len(wanted)
        whole += all(truth)
    entry = results_of({"ift": rows}, Resampling(10, 0.95, 0))["benchmarks"]["ift"]["metrics"]
    expected = {
        "followed": sum(yes for _, yes in hits.values()) / asked,
        "followed_all": whole / len(rows),
    }
    for group in {check.group for check in CHECKS.values()}:
        ours = [hits[name] for name, check in CHECKS.items() if check.group == group]
        expected[f"{group}.followed"] = sum(yes for _, yes in ours) / sum(map(sum, ours))
    assert {name: round(value["value"], PRINTED) for name, value in entry.items()} == {
        name: round(value, PRINTED) for name, value in expected.items()
    }
    assert len(rows) >= 2000 and all(min(counts) > 0 for counts in hits.values())  # no check always holds
