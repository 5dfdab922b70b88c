"""AMBER's rules once more, as one reads them aloud: a script over plain lists, which shares nothing with the room."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Numbers = dict[str, float]


def generative(
    described: Sequence[tuple[dict[str, Any], list[str]]],
    relation: Mapping[str, list[str]],
    safe: Sequence[str],
    alike: Callable[[str, str], float],
) -> Numbers:
    """described: (annotation, lemmas of the nouns of the answer). -> what the published script prints."""
    known = set(relation)
    for words in relation.values():
        known.update(words)
    errors = named = 0
    seen_objects = all_objects = 0
    seen_likely = all_likely = 0
    clean = answers = 0
    for annotation, nouns in described:
        nouns = [noun for noun in nouns if noun in known]
        truth = [(word, i) for i, name in enumerate(annotation["truth"]) for word in relation[name]]
        truth += [(name, i) for i, name in enumerate(annotation["truth"])]
        likely = [(word, i) for i, name in enumerate(annotation["hallu"]) for word in relation[name]]
        likely += [(name, i) for i, name in enumerate(annotation["hallu"])]
        is_seen = [False] * len(annotation["truth"])
        is_invented = [False] * len(annotation["hallu"])
        wrong = 0
        for noun in nouns:
            if noun in safe:
                continue
            exact = [i for word, i in truth if word == noun]
            if exact:
                is_seen[exact[0]] = True
                continue
            exact = [i for word, i in likely if word == noun]
            if exact:
                is_invented[exact[0]] = True
            close = [i for word, i in likely if alike(noun, word) > 0.8]
            if close:
                is_invented[close[0]] = True
            close = [i for word, i in truth if alike(noun, word) > 0.8]
            if close:
                is_seen[close[0]] = True
                continue
            wrong += 1
        errors += wrong
        named += len(nouns)
        seen_objects += sum(is_seen)
        all_objects += len(is_seen)
        seen_likely += sum(is_invented)
        all_likely += len(is_invented)
        answers += 1
        clean += wrong == 0
    return {
        "chair": round(errors / (named + 0.001) * 100, 1),
        "cover": round(seen_objects / (all_objects + 0.001) * 100, 1),
        "hal": round(100 - clean / (answers + 0.001) * 100, 1),
        "cog": round(seen_likely / (all_likely + 0.001) * 100, 1),
    }


STATE, NUMBER, ACTION = (f"discriminative-attribute-{name}" for name in ("state", "number", "action"))
ROWS = {
    "existence": ["discriminative-hallucination"],
    "attribute": [STATE, NUMBER, ACTION],
    "attribute.state": [STATE],
    "attribute.number": [NUMBER],
    "attribute.action": [ACTION],
    "relation": ["discriminative-relation", "relation"],
}


def discriminative(asked: Sequence[tuple[str, str, str]]) -> Numbers:
    """asked: (type of the annotation, truth, answer). -> what the published script prints, "group.metric" -> number."""
    printed = _printed(asked, "", 0.001, 0.0001)
    for group, kinds in ROWS.items():
        rows = [row for row in asked if row[0] in kinds]
        # `attribute` is the sum of three counts, each of which started at 0.001
        printed |= _printed(rows, f"{group}.", 0.003 if group == "attribute" else 0.001, _last(group))
    return printed


def _last(group: str) -> float:
    return 0.001 if group == "existence" else 0.0001


def _printed(rows: Sequence[tuple[str, str, str]], prefix: str, start: float, last: float) -> Numbers:
    right = negatives = said_no = caught = 0
    for _, truth, answer in rows:
        if truth == "yes" and answer == "Yes":
            right += 1
        if truth == "no":
            negatives += 1
            if answer == "No":
                right += 1
                caught += 1
        if answer == "No":
            said_no += 1
    accuracy = round(right / (len(rows) + start) * 100, 1)
    precision = round(caught / (said_no + start) * 100, 1)
    recall = round(caught / (negatives + start) * 100, 1)
    f1 = round(2 * (precision / 100) * (recall / 100) / (precision / 100 + recall / 100 + last) * 100, 1)
    return {
        f"{prefix}accuracy": accuracy,
        f"{prefix}precision": precision,
        f"{prefix}recall": recall,
        f"{prefix}f1": f1,
    }
