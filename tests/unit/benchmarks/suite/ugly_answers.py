"""Answers as models give them, and worse: what every parser of a benchmark is held against its plain reading by."""

import random
from collections.abc import Sequence

_YES_NO = (
    "Yes", "No", "yes", "no", "YES", "NO", "Yes.", "No.", "no!", "No, there is not.", "Yes, there is.", "Yes and no.",
    "no, yes", "Not really", "not", "Nope", "yesterday", "Nobody", "No\n", " No", "No ", "\tYes", "Yes\nNo", "No.Yes",
    "The answer is no", "It is not there. Yes.", "I'm sorry, I cannot see the image.", "There is no dog, no", "A. Yes",
    "“No”", "**No**", "Ｎｏ", "ye", "n", "1", "否", "是的", "Νο", "YeS", "nO", "unknown", "There isn't",
)  # fmt: skip
_RUBBISH = (
    "", " ", "\n", "\n\n\n", ".", "...", ",", "?!", "\u200b", "\u00a0", "\ufeffNo", "🙂", "🙂🙂 no 🙂", "ÀÉÎÕÜ ß ﬁ İ ı",
    "<image>", "</s>", "\x00", "'", "''s", "--", "a-b-c", "𝐍𝐨", "e\u0301", "\r\n", "[]", '{"answer": "no"}', "nan",
    "[[rating]]", "%s", "\\", "1e400", "٣",
)  # fmt: skip
_FILLING = ("a", "the", "two", "red", "in", "on", "with", "and", "is", "near", "there", "of", "no", "many", "very")
_MARKS = (" ", " ", " ", " ", ", ", ". ", "\n", "; ", " - ", "  ", "-", "! ", ' "', "'s ")
_CASES = (str.lower, str.lower, str.lower, str.capitalize, str.upper)


def yes_no_answers(count: int, seed: int = 0) -> list[str]:
    """`count` answers to yes/no questions: bare words, sentences, rubbish, mixtures, one of 5,000 words."""
    rng = random.Random(seed)
    answers = [*_YES_NO, *_RUBBISH, "word " * 5000 + "No"]
    while len(answers) < count:
        parts = rng.choices((*_YES_NO, *_RUBBISH, *_FILLING), k=rng.randint(1, 6))
        answers.append("".join(part + rng.choice(_MARKS) for part in parts))
    rng.shuffle(answers)
    return answers[:count]


def descriptions(names: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """`count` descriptions that mention the names: singular, plural, repeated, in any case, among rubbish; one of 5,000
    words."""
    rng = random.Random(seed)
    answers = [*_RUBBISH, "A dog. " + " ".join(rng.choice(names) for _ in range(5000))]
    while len(answers) < count:
        answers.append(_description(names, rng))
    rng.shuffle(answers)
    return answers[:count]


def _description(names: Sequence[str], rng: random.Random) -> str:
    pieces: list[str] = []
    for _ in range(rng.randint(1, 25)):
        kind = rng.random()
        if kind < 0.5:
            name = rng.choice(names)
            pieces += [rng.choice(_CASES)(name + rng.choice(("", "", "s", "es")))] * rng.choice((1, 1, 1, 2, 3))
        elif kind < 0.95:
            pieces.append(rng.choice(_CASES)(rng.choice(_FILLING)))
        else:
            pieces.append(rng.choice(_RUBBISH))
    return "".join(piece + rng.choice(_MARKS) for piece in pieces)
