"""Who judged: what the server called itself, what judging took, and whether two evaluations had the same judge."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.report.evaluation.figures import Evaluated

_SAYS = {"served_as": "name", "system_fingerprints": "fingerprint"}


def judge_entries(judge: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, value) of `served` and `usage` of a judge, as a manifest holds them; [] when nothing was judged."""
    if not judge:
        return []
    return [
        ("judge, served as", _named(judge, "served_as") or "the server gave no name"),
        ("judge, fingerprint", _named(judge, "system_fingerprints") or "the server gave none"),
        ("judging took", _effort(judge)),
    ]


def judge_warning(models: Sequence[Evaluated]) -> str:
    """A sentence when the servers that judged two evaluations called themselves differently, else "".

    The protocol holds the judge that was asked for alone: a hosted model may change behind its name. A server that
    does not say what it is gives nothing to compare.
    """
    if len(models) != 2:
        return ""
    judges = [model.answers.results.get("judge", {}) for model in models]
    for key, what in _SAYS.items():
        one, two = (_named(judge, key) for judge in judges)
        if one and two and one != two:
            return (
                f"The judge was not the same: the server gave the {what} {one} for {models[0].name} and {two} for "
                f"{models[1].name}. Differences between judged figures may be the judge’s."
            )
    return ""


def _named(judge: Mapping[str, Any], key: str) -> str:
    return ", ".join(sorted(map(str, judge.get(key, []))))


def _effort(judge: Mapping[str, Any]) -> str:
    """ "20 requests, 2 retries, 18 replies, 3 more out of the cache; 200 tokens asked, 100 replied; cost 0.42"."""

    def count(name: str) -> int:
        return int(judge.get(name, 0))

    sent = [_several(count("requests"), "request", "requests"), _several(count("replies"), "reply", "replies")]
    if count("retries"):
        sent.insert(1, _several(count("retries"), "retry", "retries"))
    if count("cached"):
        sent.append(f"{count('cached'):,} more out of the cache")
    parts = [", ".join(sent)]
    tokens = count("prompt_tokens"), count("completion_tokens")
    if any(tokens):
        parts.append(f"{tokens[0]:,} tokens asked, {tokens[1]:,} replied")
    if judge.get("cost"):
        parts.append(f"cost {judge['cost']:,.2f}" if judge["cost"] >= 0.01 else "cost below 0.01")
    return "; ".join(parts)


def _several(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
