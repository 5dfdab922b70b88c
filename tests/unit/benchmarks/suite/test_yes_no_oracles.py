"""POPE and MME held against a second, plain reading of their published rules, on thousands of answers, ugly ones too.

The readings below are written from BENCHMARKS.md as one would do it by hand, with loops and without what the product
uses; they share no line with it.
"""

import random

import pytest

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.question import Answered, Question
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import results_of
from groundtune.benchmarks.suite.mme_files import COGNITION, PERCEPTION, TASKS
from tests.unit.benchmarks.suite.ugly_answers import yes_no_answers

ANSWERS = 4000
PRINTED = 10  # digits after the point; tables print one to three


def published(name: str, rows: list[Answered]) -> dict[str, float]:
    """Our figures, the way that an evaluation gets them."""
    entry = results_of({name: rows}, Resampling(10, 0.95, 0))["benchmarks"][name]
    assert entry["reading"] == "official"
    return {metric: round(value["value"], PRINTED) for metric, value in entry["metrics"].items()}


def pope_by_hand(asked: list[tuple[str, str]]) -> dict[str, float]:
    """asked: (label, answer)."""
    tp = fp = tn = fn = 0
    for label, answer in asked:
        text = ""
        for letter in answer:
            if letter == ".":
                break
            if letter != ",":
                text += letter
        said_no, word = False, ""
        for letter in text + " ":
            if letter != " ":
                word += letter
                continue
            if word == "No" or word == "not" or word == "no":
                said_no = True
            word = ""
        if label == "yes":
            tp, fn = (tp, fn + 1) if said_no else (tp + 1, fn)
        else:
            fp, tn = (fp, tn + 1) if said_no else (fp + 1, tn)
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return {
        "accuracy": (tp + tn) / (tp + tn + fp + fn),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "yes_ratio": (tp + fp) / (tp + tn + fp + fn),
    }


def mme_by_hand(lines: dict[str, list[tuple[str, str, str]]]) -> dict[str, float]:
    """lines: task -> (image, truth, answer), the two of an image one after the other, as in the result files."""
    scores: dict[str, float] = {}
    figures: dict[str, float] = {}
    for task, rows in lines.items():
        right = both = 0
        for i in range(0, len(rows), 2):
            assert rows[i][0] == rows[i + 1][0]
            good = 0
            for _, truth, answer in rows[i : i + 2]:
                lowered = answer.lower()
                if lowered == "yes" or lowered == "no":
                    said = lowered
                elif lowered[:4].find("yes") >= 0:
                    said = "yes"
                elif lowered[:4].find("no") >= 0:
                    said = "no"
                else:
                    said = "other"
                if said == truth:
                    good += 1
            right += good
            both += good == 2
        accuracy, plus = right / len(rows), both / (len(rows) / 2)
        scores[task] = accuracy * 100 + plus * 100
        figures[f"{task}.accuracy"], figures[f"{task}.accuracy_plus"] = accuracy, plus
        figures[f"{task}.score"] = scores[task]
    figures["perception"] = sum(scores[task] for task in PERCEPTION)
    figures["cognition"] = sum(scores[task] for task in COGNITION)
    return figures


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pope_agrees_with_its_rules_read_by_hand(seed: int) -> None:
    rng = random.Random(seed)
    asked = [(rng.choice(("yes", "no")), answer) for answer in yes_no_answers(ANSWERS, seed)]
    pope = benchmark_named("pope")
    questions = [Question("pope", str(i), f"{i // 6}.jpg", "?", label, "yes_no") for i, (label, _) in enumerate(asked)]
    rows = [Answered(q, answer, pope.parse(q, answer)) for q, (_, answer) in zip(questions, asked, strict=True)]
    expected = pope_by_hand(asked)
    found = published("pope", rows)
    assert {name: found[name] for name in expected} == {name: round(v, PRINTED) for name, v in expected.items()}
    assert 0.2 < expected["accuracy"] < 0.8 and 0.05 < expected["yes_ratio"] < 0.95  # no degenerate agreement


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mme_agrees_with_its_rules_read_by_hand(seed: int) -> None:
    rng = random.Random(seed)
    answers = yes_no_answers(ANSWERS, seed)
    lines: dict[str, list[tuple[str, str, str]]] = {task: [] for task in TASKS}
    for i in range(0, len(answers) - 1, 2):
        task = TASKS[i // 2] if i // 2 < len(TASKS) else rng.choice(TASKS)
        truths = ["yes", "no"]
        rng.shuffle(truths)
        for truth, answer in zip(truths, answers[i : i + 2], strict=True):
            known = truth.capitalize() if rng.random() < 0.5 else answer  # else hardly an image has both right
            lines[task].append((f"{i}.jpg", truth, known))
    mme = benchmark_named("mme")
    rows = []
    for task, asked in lines.items():
        for number, (image, truth, answer) in enumerate(asked):
            question = Question(
                "mme", f"{task}/{image}/{number % 2 + 1}", f"{task}/{image}", "?", truth, "yes_no", task
            )
            rows.append(Answered(question, answer, mme.parse(question, answer)))
    rng.shuffle(rows)  # an evaluation answers in its own order
    expected = mme_by_hand(lines)
    found = published("mme", rows)
    assert len(rows) >= 2000
    assert {name: found[name] for name in expected} == {name: round(v, PRINTED) for name, v in expected.items()}
    assert all(0 < expected[f"{task}.accuracy_plus"] < 1 for task in TASKS)
