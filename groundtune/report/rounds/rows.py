"""The tables of a page of rounds as rows of plain text, the newest round first."""

from typing import Any

from groundtune.report import wording
from groundtune.report.rounds.figure import course, served_now
from groundtune.report.rounds.words import (
    KINDS,
    Stories,
    champion_now,
    clock,
    key_metrics,
    last_decided,
    step,
    version,
    why,
)
from groundtune.rounds.record import RoundRecord, RoundStory

STABLE, SHIFT = 0.1, 0.25  # of the population stability index
_SCORES = {"mas": "MAS", "confidence": "confidence"}


def tiles(stories: Stories) -> list[dict[str, str]]:
    """What the served model scores now, a key metric each."""
    found = []
    for metric in key_metrics(stories):
        now, base = served_now(stories, metric.key), course(stories, metric.key).base
        if now:
            beside = f"base model {metric.value(base)}" if base and champion_now(stories) else ""
            found.append({"name": metric.title, "value": metric.value(now), "span": metric.span(now), "base": beside})
    return found


def lineage(stories: Stories) -> list[dict[str, Any]]:
    """What each round was trained from, held against and decided."""
    metrics = key_metrics(stories)
    return [
        {
            "number": story.number,
            "begun": clock(story.begun),
            "state": story.state,
            "kind": KINDS[story.state],
            "why": why(story),
            "rows": wording.count(story.rows["new"]),
            "pairs": wording.count(story.record.pairs) if story.record else "–",
            "parent": _named(story.record, "parent"),
            "held": _named(story.record, "champion"),
            "challenger": _named(story.record, "challenger") if story.record and story.record.challenger else "–",
            "key": step(metrics[0], story.record) if metrics else "–",
        }
        for story in reversed(stories)
    ]


def _named(record: RoundRecord | None, role: str) -> str:
    return version(getattr(record, role)).removeprefix("the ") if record else "–"


def scores(stories: Stories) -> list[dict[str, Any]]:
    """A decided round each: champion → challenger of every key metric, with the challenger's interval."""
    metrics = key_metrics(stories)
    return [
        {
            "number": story.number,
            "state": story.state,
            "kind": KINDS[story.state],
            "cells": [
                {
                    "title": metric.title,
                    "step": step(metric, story.record),
                    "span": metric.span(story.record.figures.get("challenger", {}).get(metric.key)),
                }
                for metric in metrics
            ],
        }
        for story in reversed(stories)
        if story.record
    ]


def rules(stories: Stories) -> list[dict[str, str]]:
    """What the gate asked of the last challenger, and found."""
    decided = last_decided(stories)
    asked = decided.record.verdict.get("rules", []) if decided and decided.record else []
    return [
        {
            "asked": rule["asked"],
            "found": rule["found"],
            "outcome": "holds" if rule["holds"] else "fails",
            "kind": "better" if rule["holds"] else "worse",
        }
        for rule in asked
    ]


def arrivals(stories: Stories) -> list[dict[str, Any]]:
    """The rows that each round took, and how far its scores are from the first round's."""
    return [
        {
            "number": story.number,
            "begun": clock(story.begun),
            **{name: wording.count(story.rows[name]) for name in ("new", "again", "unreadable")},
            "lost": story.rows["unreadable"] > 0,
            "drift": [_drift(story, name) for name in drift_names(stories)],
            "warnings": story.record.warnings if story.record else [],
        }
        for story in reversed(stories)
    ]


def drift_names(stories: Stories) -> dict[str, str]:
    """Score -> its title, of all scores whose drift any round has."""
    found = dict.fromkeys(name for story in stories if story.record for name in story.record.drift)
    return {name: _SCORES.get(name, name) for name in found}


def _drift(story: RoundStory, name: str) -> dict[str, str]:
    found = story.record.drift.get(name) if story.record else None
    title = _SCORES.get(name, name)
    if found is None:
        return {"title": title, "psi": "–", "ks": "", "word": "", "kind": ""}
    psi = found["psi"]
    word, kind = ("shift", "worse") if psi > SHIFT else ("stable", "") if psi < STABLE else ("drifting", "drifting")
    return {"title": title, "psi": wording.decimal(psi), "ks": wording.decimal(found["ks"]), "word": word, "kind": kind}


def drift_warning(story: RoundStory) -> str:
    return " ".join(story.record.warnings) if story.record and story.record.warnings else "–"
