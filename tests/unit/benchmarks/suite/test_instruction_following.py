"""IFT: every check on answers that meet it and that do not, wrong constraints, counts, and the judge's rating."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.question import Answered, Question, row_of
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.results import results_of
from groundtune.benchmarks.suite.instruction_following import rating, writing
from groundtune.benchmarks.suite.instruction_following.benchmark import InstructionFollowing
from groundtune.benchmarks.suite.instruction_following.checks import CHECKS, GROUPS, follows
from groundtune.benchmarks.suite.instruction_following.languages import LANGUAGES, language_of
from groundtune.errors import RecordError

CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"check": "words", "least": 2, "most": 3}, ["a dog", "a well-known dog's"], ["dog", "a b c d", "- . !"]),
    ({"check": "words", "most": 3}, ["one"], ["one two three four"]),
    (
        {"check": "sentences", "least": 2, "most": 2},
        ["A dog. A cat.", 'He said "no." Then left', "One line\nand another", "Is it? Yes!", "犬がいる。猫もいる。"],
        ["A dog, e.g. a terrier.", "A 3.5 m wall.", "J. Smith is here.", "One. Two. Three.", "Well... ok... yes..."],
    ),
    ({"check": "paragraphs", "least": 2, "most": 2}, ["a\n\nb", "a\r\n \r\nb\n"], ["a\nb", "a\n\n\n\n", "a\n\nb\n\nc"]),
    ({"check": "characters", "most": 4}, ["  four \n"], ["fiver"]),
    ({"check": "bullets", "least": 2}, ["- a\n- b", "Look:\n * a\n • b"], ["-a\n-b", "- a", "a - b\nc - d"]),
    ({"check": "numbered", "least": 2, "most": 2}, ["1. a\n2. b", "See:\n1) a\n\n2) b"], ["1. a\n3. b", "2. a\n3. b"]),
    ({"check": "json"}, ['["a"]', ' {"a": 1}\n', '```json\n{"a": [1]}\n```'], ['"a"', "[NaN]", "{'a': 1}", "[1] a"]),
    ({"check": "json", "keys": ["a"]}, ['{"a": null, "b": 1}'], ['["a"]', '{"b": {"a": 1}}', "[" * 100_000 + "a"]),
    ({"check": "one_word"}, ["dog", " Dog. ", '"dog-house"'], ["a dog", "", "dog !", "dog/cat"]),
    ({"check": "no_commas"}, ["a dog; a cat"], ["a dog, a cat", "犬、猫"]),
    ({"check": "upper_case"}, ["A DOG, 2 CATS"], ["A DOg", "12"]),
    ({"check": "lower_case"}, ["a dog, 2 cats"], ["A dog", "12"]),
    ({"check": "quoted"}, ['"A dog."', "“A dog.”\n"], ['"A dog.', "'A dog.'", '"']),
    ({"check": "mentions", "words": ["dog", "red cat"]}, ["A DOG and a red cat."], ["Dogs and a red cat", "dog cat"]),
    ({"check": "mentions_any", "words": ["dog", "cat"]}, ["a ｄｏｇ", "(cat)"], ["a bulldog", "cat_s"]),
    ({"check": "avoids", "words": ["dog"]}, ["dogs", "a cat"], ["the dog's bowl", "DOG"]),
    ({"check": "mentions", "words": ["犬"]}, ["白い犬がいる。", "犬"], ["猫がいる。"]),
    ({"check": "mentions", "words": ["dog", "狗"]}, ["这是dog和小狗。"], ["dogs和狗", "dog"]),
    ({"check": "avoids", "words": ["หมา"]}, ["มีแมว"], ["มีหมาสองตัว"]),
    ({"check": "mentions", "words": ["пёс", "개"]}, ["Один пёс. 개 있다"], ["псы개", "пёс 번개"]),
    ({"check": "starts_with", "text": "In this image"}, [" in this IMAGE there is"], ["Here, in this image"]),
    ({"check": "ends_with", "text": "That is all."}, ["A dog. that is all.\n"], ["That is all. A dog", "That is all"]),
    ({"check": "language", "language": "de"}, ["Das ist ein Hund."], ["This is a dog.", "Hund", "Ça va bien"]),
]


@pytest.mark.parametrize(("constraint", "good", "bad"), CASES, ids=lambda value: str(value)[:40])
def test_a_check_tells_what_meets_it_from_what_does_not(
    constraint: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    assert [answer for answer in good if not follows(answer, constraint)] == []
    assert [answer for answer in bad if follows(answer, constraint)] == []


def test_every_check_has_a_case_and_a_line_in_the_reference() -> None:
    assert {constraint["check"] for constraint, _, _ in CASES} == set(CHECKS)
    page = (Path(__file__).resolve().parents[4] / "docs/reference/instruction_following.md").read_text()
    rows = {
        name: line
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall("`([a-z_]+)`", line.split("|")[1])
    }
    for name, check in CHECKS.items():
        assert f"| {check.group} |" in rows[name]
        assert all(f"`{argument}`" in rows[name] for argument in check.arguments)
    assert f"{', '.join(LANGUAGES[:-1])} or {LANGUAGES[-1]}" in page


@pytest.mark.parametrize(
    "check", [{"check": "no_commas"}, {"check": "avoids", "words": ["a"]}, {"check": "words", "most": 9}]
)
@pytest.mark.parametrize("silence", ["", " \n", "...", "🙂", "!?"])
def test_silence_follows_nothing(check: dict[str, Any], silence: str) -> None:
    assert not follows(silence, check)


SPOKEN = {
    "de": ("Es gibt eine rote Tasse und einen Löffel.", "Das Bild zeigt einen Hund."),
    "en": ("There is a red cup on the left.", 'The image shows "der Hund" and a cat.'),
    "es": ("Hay una taza roja y una cuchara azul.", "La imagen muestra un perro."),
    "fr": ("Il y a une tasse rouge et une cuillère bleue.", "L'image montre un chien."),
    "it": ("C'è una tazza rossa e un cucchiaio blu.", "L'immagine mostra un cane."),
    "nl": ("Er is een rode kop en een blauwe lepel.", "De afbeelding toont een hond."),
    "pt": ("Há uma xícara vermelha e uma colher azul na imagem.", "A imagem mostra um cão."),
    "ja": ("画像には赤いカップがあります。", "犬です。"),
    "zh": ("图中有一个红色的杯子。", "这是一只狗, a dog。"),
    "ru": ("Красная чашка стоит слева.", "Собака"),
    "el": ("Υπάρχει ένα κόκκινο φλιτζάνι.", "σκύλος"),
    "ar": ("هناك كوب أحمر", "كلب"),
    "ko": ("빨간 컵이 있습니다", "개"),
    "he": ("יש כוס אדומה", "כלב"),
    "hi": ("एक लाल कप है", "कुत्ता"),
    "th": ("มีถ้วยสีแดง", "สุนัข"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_told_by_script_or_common_words(language: str) -> None:
    assert [language_of(text) for text in SPOKEN[language]] == [language, language]


@pytest.mark.parametrize("text", ["", "123 !!", "dog cup", "Hund, Katze, Maus", "собака dog cat"])
def test_a_text_of_no_language_is_none(text: str) -> None:
    assert language_of(text) == ""


def write(path: Path, *constraints: Any) -> QuestionFiles:
    row = {"id": "a", "image": "1.png", "instruction": "Do it.", "constraints": list(constraints)}
    path.write_text(json.dumps(row) + "\n")
    return QuestionFiles(str(path))


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        ({"check": "poem"}, "holds {'check': 'poem'}, expected .*one of words, sentences"),
        ("words", "holds 'words', expected"),
        ({"check": "words"}, "words lacks 'least', 'most' or both"),
        ({"check": "words", "least": 5, "most": 3}, "words: least 5 is more than most 3"),
        ({"check": "words", "most": -1}, "words: most is -1, expected a whole number"),
        ({"check": "words", "most": "3"}, "words: most is '3', expected a whole number"),
        ({"check": "words", "most": True}, "words: most is True"),
        ({"check": "words", "max": 3}, "words has 'max', expected only least, most"),
        ({"check": "one_word", "most": 1}, "one_word has 'most', expected no argument"),
        ({"check": "mentions"}, "mentions lacks 'words'"),
        ({"check": "mentions", "words": []}, r"mentions: words is \[\], expected a list of one string"),
        ({"check": "language", "language": "tlh"}, "language: language is 'tlh', expected one of ar, de"),
        ({"check": "starts_with", "text": " "}, "starts_with: text is ' ', expected a string with something in it"),
    ],
)
def test_a_wrong_constraint_is_named_with_file_and_line(tmp_path: Path, constraint: Any, problem: str) -> None:
    with pytest.raises(RecordError, match=rf'q.jsonl:1 id="a": constraints: {problem}'):
        InstructionFollowing("ift").load(write(tmp_path / "q.jsonl", constraint))


def test_an_instruction_without_a_constraint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="constraints: is empty, expected at least one"):
        InstructionFollowing("ift").load(write(tmp_path / "q.jsonl"))


def answered(*given: tuple[str, list[dict[str, Any]], str]) -> list[Answered]:
    """(answer, constraints, rating)."""
    ift = InstructionFollowing("ift")
    rows = []
    for i, (answer, constraints, rated) in enumerate(given):
        question = Question("ift", str(i), f"{i}.png", "Do it.", constraints, "open")
        rows.append(Answered(question, answer, ift.parse(question, answer), rating=rated))
    return rows


SHORT, BARE = {"check": "words", "most": 2}, {"check": "no_commas"}


def test_shares_are_of_constraints_and_of_answers_that_meet_all() -> None:
    rows = answered(("one two", [SHORT, BARE], ""), ("one, two", [SHORT, BARE], ""), ("a b c, d", [SHORT], ""))
    entry = results_of({"ift": rows}, Resampling(10, 0.95, 0))["benchmarks"]["ift"]
    assert {name: round(value["value"], 6) for name, value in entry["metrics"].items()} == {
        "followed": 0.6, "followed_all": 0.333333, "length.followed": 0.666667, "format.followed": 0.5,
    }  # fmt: skip
    assert "judge.base_url" in entry["refused"]["following"]
    ift = InstructionFollowing("ift")
    assert [ift.correct(row) for row in rows] == [True, False, False]
    assert all(ift.direction(f"{group}.followed") == "higher" for group in GROUPS)


def test_ratings_are_averaged_and_malformed_verdicts_are_counted_apart() -> None:
    rows = answered(("a", [BARE], "9"), ("b", [BARE], "4"), ("c", [BARE], ""))
    entry = results_of({"ift": rows}, Resampling(10, 0.95, 0))["benchmarks"]["ift"]
    assert entry["metrics"]["following"]["value"] == 6.5
    assert entry["metrics"]["unrated"]["value"] == pytest.approx(1 / 3) and not entry["refused"]


def test_a_row_of_an_artifact_scores_as_the_answer_it_holds() -> None:
    ift = InstructionFollowing("ift")
    (one,) = answered(("one, two", [SHORT, BARE], "3"))
    assert ift.answered(row_of(one, "0" * 64, ift.correct(one))) == one


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("It is short.\nRating: 7", "7"),
        ("**Rating: 10**\n", "10"),
        ("rating: 3/10.", "3"),
        ("Rating: [[5]]", "5"),
        ("Rating: 07", "7"),
        ("Rating: 0", None),
        ("Rating: 11", None),
        ("Rating: 7.5", None),
        ("Rating: -5", None),
        ("Rating: 7\nRating: 8", None),
        ("I would say 7", None),
        ("The rating: 7 is fair", None),
        ("Rating: " + "9" * 5000, None),
        ("", None),
    ],
)
def test_a_verdict_is_one_line_with_a_number_from_1_to_10(reply: str, read: str | None) -> None:
    assert InstructionFollowing("ift").read_verdict(reply) == read


def test_the_judge_sees_instruction_and_answer_as_they_are() -> None:
    (one,) = answered(("{answer} 100%", [BARE], ""))
    system, user = InstructionFollowing("ift").judge_messages(one)
    assert (system["role"], user["role"]) == ("system", "user")
    assert "[Instruction]\nDo it.\n" in user["content"] and "[Answer]\n{answer} 100%\n" in user["content"]
    assert rating.PROMPT in InstructionFollowing.parser


def test_the_demo_worlds_instructions_load_and_use_every_group(tmp_path: Path) -> None:
    from groundtune.demo.instruction_questions import INSTRUCTIONS, write_instructions

    count = write_instructions(tmp_path / "q.jsonl", [f"{i}.png" for i in range(200)])
    questions = InstructionFollowing("ift").load(QuestionFiles(str(tmp_path / "q.jsonl")))
    assert len(questions) == count == 2 * len(INSTRUCTIONS)
    assert {question.category for question in questions} == {*GROUPS, "several"}
    assert len({question.image for question in questions}) == count
    assert write_instructions(tmp_path / "few.jsonl", ["a.png"]) == 1


def test_sentences_are_cut_in_time_that_grows_with_the_text() -> None:
    started = time.process_time()
    for text, count in (
        ("!" * 200_000 + "a", 1),
        ("a" + "。" * 100_000, 1),
        ("a e.g. " * 20_000, 1),
        ('."' * 99_999, 0),
    ):
        assert len(writing.sentences(text)) == count
    assert time.process_time() - started < 5  # a quadratic pattern takes minutes
