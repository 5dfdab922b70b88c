"""Sections of the page: a benchmark each, every cell written out, differences drawn."""

from dataclasses import dataclass
from typing import Any

from groundtune.report.charts.intervals import difference_strip
from groundtune.report.evaluation import words
from groundtune.report.evaluation.figures import Figures, Group, Line


@dataclass(frozen=True)
class Section:
    """One benchmark on the page: its first reading, folded details, other readings."""

    key: str
    title: str
    first: Group
    others: list[Group]


def sections_of(figures: Figures) -> list[dict[str, Any]]:
    """A section a benchmark; the mean over splits is one of its own and stands before its splits."""
    sections: dict[str, list[Group]] = {}
    for group in figures.groups:
        sections.setdefault(f"mean-{group.benchmark}" if group.mean else group.benchmark, []).append(group)
    return [
        _cells(figures, Section(key, words.benchmark_title(found[0].benchmark), found[0], found[1:]))
        for key, found in sections.items()
    ]


def _cells(figures: Figures, section: Section) -> dict[str, Any]:
    first = section.first
    return {
        "key": section.key,
        "title": section.title,
        "reading": words.reading_title(first),
        "counts": words.counts_text(first),
        "paired": any(line.difference for line in first.lines),
        "rows": _rows(figures, [line for line in first.lines if not line.detailed]),
        "details": _rows(figures, [line for line in first.lines if line.detailed]),
        "others": [
            {"reading": words.reading_title(group), "rows": _rows(figures, group.lines)} for group in section.others
        ],
    }


def _rows(figures: Figures, lines: list[Line]) -> list[dict[str, Any]]:
    reach: dict[str, float] = {}
    for line in lines:
        if line.difference:
            widest = max(abs(line.difference["low"]), abs(line.difference["high"]), 0.01)
            reach[_scale(line)] = max(reach.get(_scale(line), 0.0), widest)
    return [_row(figures, line, reach.get(_scale(line), 1.0)) for line in lines]


def _scale(line: Line) -> str:
    """Shares are drawn on one scale; every other metric is on its own."""
    return "" if line.words.share else line.metric


def _row(figures: Figures, line: Line, reach: float) -> dict[str, Any]:
    change = line.difference
    kind = {"better": "better", "worse": "worse"}.get(line.verdict, "open")
    return {
        "name": line.words.name,
        "meaning": line.words.meaning,
        "arrow": line.arrow,
        "better": {"higher": "higher is better", "lower": "lower is better"}.get(line.better, ""),
        "figures": [
            {
                "model": model,
                "value": words.number(line, figure["value"]) if figure else "",
                "span": words.span(line, figure) if figure else "",
                "refused": line.refused.get(model, ""),
            }
            for model, figure in zip(figures.models, line.figures, strict=True)
        ],
        "difference": words.change(line),
        "difference_span": words.span(line, change, sign=True) if change else "",
        "p": words.p_value(change["p"]) if change else "",
        "strip": difference_strip(f"{line.words.name}: {words.change(line)}", change, reach * 1.05, kind)
        if change
        else "",
        "kind": kind,
        "verdict": words.verdict(line),
    }
