"""Which objects an answer names, by a judge: what it is asked, how its reply is read, how names become objects (ours).

Object HalBench's published numbers are of a language model that is retired, with a prompt that is not repeated here.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from groundtune.benchmarks.suite.vocabulary import PLAIN, Vocabulary

NAMING = "object-naming-1"  # of prompt, reading and mapping below
# Answers of so few words are taken to name nothing, and no judge is asked (Object HalBench).
SHORT = 3
_REQUEST = """\
Below are a question about a picture and an answer to it. List every object that the answer says is in the picture.

Question: {question}

Answer: {answer}

Rules:
- Only objects that the answer itself mentions; whether it is right does not matter.
- The object's name alone, without colour, material, number or other attributes.
- Nothing that the answer says is absent.
- Reply with one JSON list of strings and nothing else, for example ["dog", "traffic light"]; [] when there is none."""
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def naming_request(question: str, answer: str) -> list[dict[str, str]]:
    """Chat messages for a judge that reads text only."""
    return [{"role": "user", "content": _REQUEST.format(question=question, answer=answer)}]


def read_names(reply: str) -> list[str] | None:
    """The JSON list of strings in a reply: fenced, bare, or on its last line. None when there is none."""
    fenced = _FENCE.search(reply)
    last = reply.strip().rpartition("\n")[2]
    for text in (fenced[1] if fenced else "", reply, last):
        try:
            found: Any = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(found, list) and all(isinstance(name, str) for name in found):
            return found
    return None


def is_short(answer: str) -> bool:
    return len(answer.split()) <= SHORT


def objects_of_names(names: Iterable[str], vocabulary: Vocabulary) -> list[str]:
    """The objects that a judge's names stand for, each name once.

    As the published script: a two-word name of the vocabulary inside a name ("traffic light pole") stands for it; else
    each run of nouns as a whole, so "dog house" is no dog and "red car" is a car. Tags and lemmas are the plain rules',
    whatever `text_analysis` says.
    """
    found: dict[str, None] = {}
    for name in names:
        words = PLAIN.words(f"a {name.lower()}")
        merged = vocabulary.merged_words(word.text for word in words)
        doubles = [word for word, size in merged if size > 1]
        found |= dict.fromkeys(doubles or _noun_runs([word.tag for word in words], [word for word, _ in merged]))
    return vocabulary.objects_of(list(found))


def _noun_runs(tags: Sequence[str], lemmas: Sequence[str]) -> list[str]:
    """Neighbouring nouns joined. tags, lemmas: of the same words."""
    runs: list[list[str]] = [[]]
    for tag, lemma in zip(tags, lemmas, strict=True):
        if tag.startswith("NN"):
            runs[-1].append(lemma)
        elif runs[-1]:
            runs.append([])
    return [" ".join(run) for run in runs if run]
