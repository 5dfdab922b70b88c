"""The published files of AMBER, and of CHAIR with WordNet's lemmas. They are no part of the repository."""

import json
from pathlib import Path

import pytest

from groundtune.benchmarks.question import Answered
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.amber.benchmark import Amber
from groundtune.benchmarks.suite.vocabulary import read_vocabulary
from groundtune.benchmarks.tools import Tools
from groundtune.text.load import load_analyser
from tests.unit.benchmarks.suite import amber_by_hand, chair_by_hand
from tests.unit.benchmarks.suite.test_conformance import BENCHMARKS, here
from tests.unit.benchmarks.suite.ugly_answers import descriptions, yes_no_answers
from tests.unit.text.test_wordnet import WORDNET

AMBER = BENCHMARKS / "amber"
SYNONYMS = BENCHMARKS / "chair" / "synonyms_refine.txt"


@here
def test_amber_has_the_published_number_of_questions() -> None:
    counts = {}
    for name in ("amber", "amber_generative", "amber_discriminative"):
        questions = Amber(name).load(QuestionFiles(str(AMBER)))
        counts[name] = len(questions)
        assert len({question.image for question in questions}) == 1004
    assert counts == {"amber": 15220, "amber_generative": 1004, "amber_discriminative": 14216}
    of_group: dict[str, int] = {}
    for question in questions:
        of_group[question.category] = of_group.get(question.category, 0) + 1
    assert of_group == {
        "existence": 4924, "attribute.state": 4764, "attribute.number": 2072, "attribute.action": 792,
        "relation": 1664,
    }  # fmt: skip


@here
def test_amber_scores_the_published_questions_to_the_digit_as_a_plain_reading_of_the_rules() -> None:
    benchmark = Amber("amber")
    questions = benchmark.load(QuestionFiles(str(AMBER)))
    annotations = {str(row["id"]): row for row in json.loads((AMBER / "annotations.json").read_text())}
    relation = json.loads((AMBER / "relation.json").read_text())
    safe = (AMBER / "safe_words.txt").read_text().split("\n")
    words = sorted({word for name, others in relation.items() for word in (name, *others)})
    captions = iter(descriptions(words, 1004))
    short = iter(yes_no_answers(14216))
    said = []
    for number, question in enumerate(questions):
        if question.kind == "caption":
            # what an honest description would hold, and an ugly one
            said.append(f"A {', a '.join(annotations[question.question_id]['truth'])}. {next(captions)}")
        else:
            answer = next(short)
            said.append(("Yes", "No", "No")[number % 3] if number % 5 else answer)
    rows = [Answered(q, a, benchmark.parse(q, a)) for q, a in zip(questions, said, strict=True)]
    totals = {name: column.sum() for name, column in benchmark.score(rows).columns.items()}
    values = {name: float(value) for name, value in benchmark.metrics(totals).items()}

    analyser = Tools().analyser
    known = {*words}
    described = [
        (
            annotations[q.question_id],
            [analyser.known_form(w.text, known) for w in analyser.words(a) if w.tag[:2] == "NN"],
        )
        for q, a in zip(questions, said, strict=True)
        if q.kind == "caption"
    ]
    asked = [
        (annotations[q.question_id]["type"], annotations[q.question_id]["truth"], a)
        for q, a in zip(questions, said, strict=True)
        if q.kind == "yes_no"
    ]
    expected = amber_by_hand.generative(described, relation, safe, analyser.similarity)
    expected |= amber_by_hand.discriminative(asked)
    assert {name: round(values[name] * 100, 1) for name in expected} == expected
    assert values["amber_score"] == pytest.approx((100 - expected["chair"] + expected["f1"]) / 2, abs=0.1)


@here
def test_by_wordnets_lemmas_only_names_that_the_published_script_misses_are_lost() -> None:
    pytest.importorskip("nltk", reason="COCO'S NAMES ARE NOT TESTED WITH WORDNET: no NLTK (make setup)")
    if not WORDNET.is_dir():
        pytest.skip("COCO'S NAMES ARE NOT TESTED WITH WORDNET: no WordNet (apt-get install wordnet-base)")
    vocabulary = read_vocabulary(str(SYNONYMS))
    analyser = load_analyser("nltk", wordnet=str(WORDNET))
    lost = [form for form, name in vocabulary.objects.items() if vocabulary.object_words(form, analyser) != [name]]
    # captions are lower-cased, the table is not; three words are not merged
    assert sorted(lost) == ["iPhone", "stove top oven"]


@here
@pytest.mark.parametrize("analysis", ["plain", "nltk"])
def test_the_published_synonyms_give_the_objects_of_a_plain_reading_of_the_rules(analysis: str) -> None:
    if analysis == "nltk" and not Path(WORDNET).is_dir():
        pytest.skip("COCO'S OBJECTS ARE NOT TESTED WITH WORDNET: no WordNet (apt-get install wordnet-base)")
    vocabulary = read_vocabulary(str(SYNONYMS))
    analyser = load_analyser(analysis, wordnet=str(WORDNET))
    table = chair_by_hand.read_table(SYNONYMS.read_text())
    rules = "home plate train track baby adult passenger jet bow tie toilet seat wine glas"
    known = {word for text in (*table, *chair_by_hand.ANIMALS, rules) for word in text.split()}
    found = 0
    for text in descriptions([*table, "train track", "baby bear", "passenger jet", "home plate"], 2000, seed=5):
        expected = chair_by_hand.objects_of(text, table, analyser.tokens, lambda word: analyser.known_form(word, known))
        assert vocabulary.object_words(text, analyser) == expected
        found += len(expected)
    assert found > 5000
