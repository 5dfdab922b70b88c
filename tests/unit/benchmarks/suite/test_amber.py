"""AMBER: published files, the order of the checks, and the printed digits against a plain reading of the rules."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundtune.benchmarks.question import Answered, Question, row_of
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.suite.amber.benchmark import Amber
from groundtune.benchmarks.suite.amber.files import WordTables
from groundtune.benchmarks.suite.amber.generative import match
from groundtune.benchmarks.tools import Tools
from groundtune.errors import RecordError, SettingError
from tests.unit.benchmarks.suite import amber_by_hand
from tests.unit.benchmarks.suite.amber_world import IMAGES, KINDS, RELATION, SAFE, WORDS, write_amber
from tests.unit.benchmarks.suite.ugly_answers import descriptions, yes_no_answers
from tests.unit.text.test_wordnet import WORDNET


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_amber(tmp_path_factory.mktemp("amber") / "data")


def figures(benchmark: Amber, rows: Sequence[Answered], reading: str = "official") -> dict[str, float]:
    totals = {name: column.sum() for name, column in benchmark.score(rows, reading).columns.items()}
    return {name: float(value) for name, value in benchmark.metrics(totals).items()}


def answered(benchmark: Amber, questions: Sequence[Question], answers: Sequence[str]) -> list[Answered]:
    return [Answered(q, a, benchmark.parse(q, a)) for q, a in zip(questions, answers, strict=True)]


def printed(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value * 100, 1) for name, value in values.items()}


def tables(relation: Mapping[str, list[str]] = RELATION, safe: Sequence[str] = SAFE) -> WordTables:
    return WordTables(dict(relation), frozenset(relation).union(*relation.values()), frozenset(safe))


def no_likeness(first: str, second: str) -> float:
    return float(first == second)


def of_pairs(**pairs: float) -> Callable[[str, str], float]:
    """cat_puppy=0.9: similarity of the two, both ways; equal words 1, others 0."""
    known = {frozenset(key.split("_")): value for key, value in pairs.items()}
    return lambda first, second: 1.0 if first == second else known.get(frozenset((first, second)), 0.0)


@pytest.mark.parametrize(
    ("nouns", "truth", "hallu", "likeness", "expected"),
    [
        # a safe word is never an error, and covers nothing even when it is annotated
        (["light", "floor"], ["ground"], [], {}, (2, [], [], [])),
        # an object, an associate of an object, a repeat
        (["dog", "puppy", "dog"], ["cat", "dog"], [], {}, (3, [], [1], [])),
        # associates stand first: "boat" is an associate of ship, so it covers the ship, not the boat
        (["boat"], ["boat", "ship"], [], {}, (1, [], [1], [])),
        # of two equal objects only the first can be covered
        (["ship", "ship"], ["ship", "ship"], [], {}, (2, [], [0], [])),
        # a likely invention is marked and is an error
        (["cat"], ["dog"], ["tree", "cat"], {}, (1, ["cat"], [], [1])),
        # marked exactly, and the first similar one is marked too
        (["cat"], ["tree"], ["person", "cat"], {"cat_man": 0.81}, (1, ["cat"], [], [0, 1])),
        # similarity to the truth saves from the error but not from the mark
        (["cat"], ["dog"], ["cat"], {"cat_puppy": 0.9}, (1, [], [0], [0])),
        # exactly 0.8 is not above it
        (["cat"], ["dog"], [], {"cat_dog": 0.8}, (1, ["cat"], [], [])),
        # the truth comes before the hallucinations: no mark
        (["dog"], ["dog"], ["dog"], {}, (1, [], [0], [])),
        ([], ["dog"], ["cat"], {}, (0, [], [], [])),
    ],
)
def test_the_checks_are_made_in_the_published_order(
    nouns: list[str], truth: list[str], hallu: list[str], likeness: dict[str, float], expected: tuple[Any, ...]
) -> None:
    matched = match(nouns, truth, hallu, tables(), of_pairs(**likeness))
    assert (matched.nouns, matched.hallucinated, matched.covered, matched.invented) == expected


def test_metrics_match_descriptions_counted_by_hand(folder: Path) -> None:
    benchmark = Amber("amber_generative")
    questions = benchmark.load(QuestionFiles(str(folder)))
    said = [
        "A dog, a cat and a dog on the grass.",  # 4 nouns, cat is wrong and likely; dog and grass of 3
        "A boat under a cloud.",  # 2 nouns, cloud is wrong and likely; the first ship of 3
        "Nothing",  # no noun of the vocabulary; 0 of 4, nothing likely
        "a road sign",  # 1 noun (a sign is none of the vocabulary): road of 2
        "",
        "The house",  # a noun outside the vocabulary does not count
    ]
    values = figures(benchmark, answered(benchmark, questions, said))
    assert values == pytest.approx(
        {
            "chair": 2 / 7.001,
            "cover": (2 + 1 + 0 + 1 + 0 + 0) / 15.001,
            "hal": 1 - 4 / 6.001,
            "cog": 2 / 11.001,
        }
    )


def test_case_counts_as_in_the_published_script(folder: Path) -> None:
    benchmark = Amber("amber_generative")
    question = benchmark.load(QuestionFiles(str(folder)))[5]
    assert json.loads(benchmark.parse(question, "Bottle and tv, TV and bottle."))["nouns"] == 2


@pytest.mark.parametrize("analysis", ["plain", "nltk"])
def test_descriptions_score_to_the_digit_as_a_plain_reading_of_the_rules(
    folder: Path, tmp_path: Path, analysis: str
) -> None:
    tools = Tools()
    if analysis == "nltk":
        pytest.importorskip("nltk", reason="AMBER IS NOT TESTED WITH NLTK AND VECTORS: no NLTK (make setup)")
        pytest.importorskip("spacy", reason="AMBER IS NOT TESTED WITH NLTK AND VECTORS: no spaCy (make setup)")
        if not WORDNET.is_dir():
            pytest.skip("AMBER IS NOT TESTED WITH NLTK AND VECTORS: no WordNet (apt-get install wordnet-base)")
        from tests.unit.text.tiny_nltk_data import write_tagger
        from tests.unit.text.tiny_vectors import clustered_vectors, write_vectors

        write_tagger(tmp_path)
        vectors = write_vectors(tmp_path / "vectors", clustered_vectors(WORDS, clusters=7))
        tools = Tools("", "nltk", "", str(tmp_path), str(WORDNET), vectors)
    benchmark = Amber("amber_generative", tools)
    questions = benchmark.load(QuestionFiles(str(folder)))
    said = descriptions(WORDS, 2400)
    asked = [questions[number % len(questions)] for number in range(len(said))]
    annotations = [{"truth": truth, "hallu": hallu} for truth, hallu in IMAGES]
    analyser = tools.analyser
    vocabulary = tables().vocabulary
    described = [
        (
            annotations[number % len(questions)],
            [analyser.known_form(word.text, vocabulary) for word in analyser.words(answer) if word.tag[:2] == "NN"],
        )
        for number, answer in enumerate(said)
    ]
    expected = amber_by_hand.generative(described, RELATION, SAFE, analyser.similarity)
    rows = answered(benchmark, asked, said)
    assert printed(figures(benchmark, rows)) == expected
    assert all(1 < value < 99 for value in expected.values())
    for start in range(0, len(said), 60):  # small samples, so that every digit counts
        part = slice(start, start + 60)
        values = amber_by_hand.generative(described[part], RELATION, SAFE, analyser.similarity)
        assert printed(figures(benchmark, rows[part])) == values


def test_yes_no_answers_score_to_the_digit_as_a_plain_reading_of_the_rules(tmp_path: Path) -> None:
    folder = write_amber(tmp_path, per_kind=500)
    benchmark = Amber("amber_discriminative")
    questions = benchmark.load(QuestionFiles(str(folder)))
    said = yes_no_answers(len(questions))
    # half of the answers exactly as asked for, or nothing would ever be right
    said = [("Yes", "No")[number % 4 // 2] if number % 2 else answer for number, answer in enumerate(said)]
    rows = answered(benchmark, questions, said)
    kinds = [KINDS[number % len(KINDS)] for number in range(len(questions))]
    assert len(questions) == 3000
    for part in [slice(None), *(slice(start, start + 75) for start in range(0, 3000, 75))]:
        asked = [(k, str(q.truth), a) for k, q, a in zip(kinds[part], questions[part], said[part], strict=True)]
        values = printed(figures(benchmark, rows[part]))
        assert values.pop("unparsed") > 0
        assert values == amber_by_hand.discriminative(asked)


@pytest.mark.parametrize(
    ("answer", "official", "strict"),
    [
        ("Yes", "yes", "yes"), ("No", "no", "no"), ("no", "other", "no"), ("No.", "other", "no"),
        ("NO!", "other", "no"), (" Yes", "other", "yes"), ("Yes\n", "other", "yes"), ("", "other", "other"),
        ("Not really", "other", "other"), ("Yes and no", "other", "yes"),
    ],
)  # fmt: skip
def test_the_official_reading_takes_exactly_yes_and_no_and_the_strict_one_normalises(
    folder: Path, answer: str, official: str, strict: str
) -> None:
    benchmark = Amber("amber_discriminative")
    question = benchmark.load(QuestionFiles(str(folder)))[0]
    row = Answered(question, answer, benchmark.parse(question, answer))
    assert row.parsed == official
    for reading, said in (("official", official), ("strict", strict)):
        counts = benchmark.count(row, reading)
        assert counts["existence.right"] == float(said == question.truth)
        assert counts["existence.unparsed"] == float(said == "other")


def test_both_tasks_together_have_a_score_in_points(folder: Path) -> None:
    benchmark = Amber("amber")
    questions = benchmark.load(QuestionFiles(str(folder)))
    said = ["A dog" if question.kind == "caption" else "No" for question in questions]
    rows = answered(benchmark, questions, said)
    values = figures(benchmark, rows)
    assert values["amber_score"] == pytest.approx((100 - 100 * values["chair"] + 100 * values["f1"]) / 2)
    assert benchmark.direction("amber_score") == "higher"
    assert benchmark.direction("attribute.state.f1") == "higher"
    only = [row for row in rows if row.question.kind == "yes_no"]
    assert "amber_score" not in figures(benchmark, only)
    assert "chair" not in figures(benchmark, only)


def test_metrics_work_on_many_resamples_at_once(folder: Path) -> None:
    benchmark = Amber("amber")
    questions = benchmark.load(QuestionFiles(str(folder)))
    said = [("A cat", "Yes", "No")[number % 3] for number in range(len(questions))]
    counts = benchmark.score(answered(benchmark, questions, said))
    weights = np.random.default_rng(0).integers(0, 3, (5, len(counts.units))).astype(float)
    many = benchmark.metrics({name: weights @ column for name, column in counts.columns.items()})
    for row in range(5):
        one = benchmark.metrics({name: weights[row] @ column for name, column in counts.columns.items()})
        assert many.keys() == one.keys()
        for name, value in many.items():
            assert float(value[row]) == pytest.approx(float(one[name])), name


def test_rows_can_be_scored_without_the_files(folder: Path) -> None:
    benchmark = Amber("amber")
    questions = benchmark.load(QuestionFiles(str(folder)))
    rows = answered(benchmark, questions, ["A cat and a dog" if q.kind == "caption" else "No" for q in questions])
    again = [benchmark_named("amber").answered(row_of(row, "0", benchmark.correct(row))) for row in rows]
    assert again == rows
    assert figures(Amber("amber"), again) == figures(benchmark, rows)


def test_a_description_is_right_when_no_noun_is_invented(folder: Path) -> None:
    benchmark = Amber("amber")
    questions = benchmark.load(QuestionFiles(str(folder)))
    rows = answered(benchmark, questions[:2] + questions[6:8], ["a dog", "a dog", "No", "No"])
    assert [benchmark.correct(row) for row in rows] == [True, False, False, True]


def test_descriptions_alone_have_one_reading(folder: Path) -> None:
    benchmark = Amber("amber")
    rows = answered(benchmark, benchmark.load(QuestionFiles(str(folder))), ["No"] * 30)
    assert benchmark.readings_of(rows) == ("official", "strict")
    assert benchmark.readings_of(rows[:6]) == ("official",)


@pytest.mark.parametrize(("name", "count"), [("amber", 30), ("amber_generative", 6), ("amber_discriminative", 24)])
def test_each_task_reads_its_own_files_or_picks_its_questions_out_of_all(tmp_path: Path, name: str, count: int) -> None:
    folder = write_amber(tmp_path)
    whole = Amber(name).load(QuestionFiles(str(folder)))
    assert len(whole) == count
    (folder / "query_generative.json").unlink()
    (folder / "query_discriminative.json").unlink()
    assert Amber(name).load(QuestionFiles(str(folder))) == whole
    (folder / "query_all.json").unlink()
    with pytest.raises(SettingError, match=r"benchmarks.*query_all\.json"):
        Amber(name).load(QuestionFiles(str(folder)))


def test_the_three_discriminative_files_are_one_task(tmp_path: Path) -> None:
    folder = write_amber(tmp_path)
    whole = Amber("amber_discriminative").load(QuestionFiles(str(folder)))
    queries = json.loads((folder / "query_discriminative.json").read_text())
    for name in ("query_all.json", "query_discriminative.json"):
        (folder / name).unlink()
    for part, group in enumerate(("existence", "attribute", "relation")):
        (folder / f"query_discriminative-{group}.json").write_text(json.dumps(queries[part::3]))
    found = Amber("amber_discriminative").load(QuestionFiles(str(folder)))
    assert sorted(found, key=lambda q: int(q.question_id)) == whole
    (folder / "query_discriminative-existence.json").write_text(json.dumps(queries[:2]))
    with pytest.raises(RecordError, match="was used before"):
        Amber("amber_discriminative").load(QuestionFiles(str(folder)))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("annotations.json", lambda rows: rows[7].update(type="new"), r'annotations.json:8 id="8": type: is \'new\''),
        ("annotations.json", lambda rows: rows[7].update(truth="maybe"), r"annotations.json:8 .*truth: is \'maybe\'"),
        ("annotations.json", lambda rows: rows[0].update(truth=[]), r"annotations.json:1 .*truth: is empty"),
        ("annotations.json", lambda rows: rows[0].pop("hallu"), r"annotations.json:1 .*hallu: is missing"),
        ("annotations.json", lambda rows: rows[0]["truth"].append("whale"), r"relation.json.*'whale'"),
        ("annotations.json", lambda rows: rows.pop(9), r'query_all.json:10 id="10".*no entry in annotations'),
        ("query_all.json", lambda rows: rows[3].pop("image"), r'query_all.json:4 id="4": image'),
        ("relation.json", lambda words: words.update(dog="puppy"), r"relation.json.*lists of words"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(
    tmp_path: Path, file: str, change: Callable[[Any], object], message: str
) -> None:
    folder = write_amber(tmp_path)
    value = json.loads((folder / file).read_text())
    change(value)
    (folder / file).write_text(json.dumps(value))
    with pytest.raises((RecordError, SettingError), match=message):
        Amber("amber").load(QuestionFiles(str(folder)))


def test_the_identity_names_the_text_analysis(folder: Path) -> None:
    benchmark = Amber("amber")
    benchmark.load(QuestionFiles(str(folder)))
    assert "not official" in benchmark.identity()["text_analysis"]


def test_queries_may_lie_in_the_releases_query_folder(tmp_path: Path) -> None:
    folder = write_amber(tmp_path / "data")
    before = [Amber(name).load(QuestionFiles(str(folder))) for name in ("amber", "amber_discriminative")]
    (folder / "query").mkdir()
    for file in folder.glob("query_*.json"):
        file.rename(folder / "query" / file.name)
    assert [Amber(name).load(QuestionFiles(str(folder))) for name in ("amber", "amber_discriminative")] == before


def test_windows_line_ends_change_no_safe_word(tmp_path: Path) -> None:
    folder = write_amber(tmp_path / "data")
    (folder / "safe_words.txt").write_bytes("\r\n".join([*SAFE, ""]).encode())
    amber = Amber("amber_generative")
    amber.load(QuestionFiles(str(folder)))
    assert amber._tables is not None and amber._tables.safe == frozenset(SAFE)


def test_a_judge_is_told_the_annotated_objects_of_a_description(folder: Path) -> None:
    amber = Amber("amber")
    known = {question.question_id: amber.known_of(question) for question in amber.load(QuestionFiles(str(folder)))}
    assert known["2"] == "ship, boat"  # annotated twice, told once; likely inventions are not told
    assert known[str(len(IMAGES) + 1)] == ""
