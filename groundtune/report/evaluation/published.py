"""Published rows beside measured ones, where both are of the same questions; never mixed, always marked."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from groundtune.report.evaluation.figures import Estimate, Evaluated, Figures
from groundtune.report.evaluation.identity import text_of as _text
from groundtune.report.metrics import family_of, metric_of

MEASURED, PUBLISHED = "measured", "published"
Counts = Counter[tuple[str, str]]  # (benchmark, kind) -> questions that a model answered
Names = Mapping[str, Sequence[str | None]]  # set -> the benchmark of every model that asked it


@dataclass(frozen=True)
class PublishedRow:
    """kind: "published" or "measured". cells: a text a column, "" where there is no figure. source: "" of measured."""

    model: str
    kind: str
    cells: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class PublishedTable:
    """columns: labels; percentages without their sign. rows: published ones first, then measured ones."""

    title: str
    columns: tuple[str, ...]
    rows: list[PublishedRow]
    notes: list[str]


@dataclass(frozen=True)
class Published:
    """tables: of the sets that were measured. absent: for each benchmark that has published figures and was measured
    on other questions, why they are not shown."""

    tables: list[PublishedTable]
    absent: list[str]


def published_beside(
    models: Sequence[Evaluated], figures: Figures, known: Mapping[str, Any] | None = None
) -> Published:
    """The published tables of the published sets among the measured benchmarks.

    A published row is shown only when every model of the column answered the whole published set (published.yaml says
    how it is recognised): its kind and number of questions, none left out, no limit, and the digest of its release
    where that is known. Anything else, the demo's own pictures first of all, compares with no published number.
    known: other tables than those of published.yaml, in its form.
    """
    known = known or _known()
    asked = [Counter((row["benchmark"], row["kind"]) for row in model.answers.rows()) for model in models]
    found = {name: [_asked(counts, name, one["kind"]) for counts in asked] for name, one in known["sets"].items()}
    reasons = {name: _reason(models, asked, found[name], one) for name, one in known["sets"].items()}
    tables, absent = [], []
    for table in known["tables"]:
        columns = [column for column in table["columns"] if _is_there(column, reasons)]
        if columns:
            tables.append(_table(models, figures, table, columns, found, known["sources"]))
        for name in (column["set"] for column in table["columns"] if "set" in column):
            why = reasons[name]
            note = f"{table['title']}: no published figures beside {why}"
            if why and note not in absent:
                absent.append(note)
    return Published(tables, absent)


def _is_there(column: Mapping[str, str], reasons: Mapping[str, str | None]) -> bool:
    """A mean over splits is there when all splits of its family are."""
    if "set" in column:
        return reasons[column["set"]] == ""
    return all(why == "" for name, why in reasons.items() if name.startswith(column["mean"] + "_"))


def _asked(counts: Counts, name: str, kind: str) -> str | None:
    """The benchmark of that name, or else of that family, that asked questions of the kind."""
    benchmarks = [benchmark for benchmark, asked in counts if asked == kind]
    return next((one for one in benchmarks if one == name), next((b for b in benchmarks if family_of(b) == name), None))


def _reason(
    models: Sequence[Evaluated], asked: Sequence[Counts], names: Sequence[str | None], known: Mapping[str, Any]
) -> str | None:
    """ "" when every model answered the published set, None when none was asked anything like it, else why not."""
    for model, counts, name in zip(models, asked, names, strict=True):
        if name is None:
            return None
        measured = f"{name} of {model.name}"
        limit, questions = model.answers.settings.get("limit"), counts[name, known["kind"]]
        if limit:
            return f"{measured}: only the first {limit:,} questions were asked (limit)"
        if excluded := model.answers.results["benchmarks"][name].get("excluded"):
            return f"{measured}: {excluded:,} questions were left out"
        if questions != known["questions"]:
            return f"{measured}: {questions:,} questions, the published set has {known['questions']:,}"
        digest = model.answers.manifest["parents"].get(f"benchmark {name}", "")
        if "sha256" in known and digest not in known["sha256"]:
            return f"{measured}: {questions:,} questions, but not of the published file (sha256 {digest[:12]})"
    return ""


def _table(
    models: Sequence[Evaluated],
    figures: Figures,
    table: Mapping[str, Any],
    columns: Sequence[Mapping[str, str]],
    found: Names,
    sources: Mapping[str, Mapping[str, str]],
) -> PublishedTable:
    at = [table["columns"].index(column) for column in columns]
    rows = [
        PublishedRow(
            row["model"], PUBLISHED, tuple(row["values"][place] for place in at), sources[row["source"]]["text"]
        )
        for row in table["rows"]
        if any(row["values"][place] for place in at)
    ]
    for index, model in enumerate(models):
        cells = tuple(_measured(figures, index, model, column, found) for column in columns)
        rows.append(PublishedRow(model.name, MEASURED, cells, ""))
    measured: dict[str, list[str]] = {}
    for index, model in enumerate(models):
        measured.setdefault(_protocol(model, index, columns, found), []).append(model.name)
    used = dict.fromkeys(row["source"] for row in table["rows"])
    notes = [
        f"Published protocol: {table['protocol']}.",
        *(f"Measured, {' and '.join(names)}: {how}." for how, names in measured.items()),
        *(f"{sources[name]['text']}: {sources[name]['note']}." for name in used),
        "Rows compare only as far as their protocols agree.",
    ]
    return PublishedTable(table["title"], tuple(column["label"] for column in columns), rows, notes)


def _measured(figures: Figures, index: int, model: Evaluated, column: Mapping[str, str], found: Names) -> str:
    asked = column["mean"] if "mean" in column else found[column["set"]][index]
    for group in figures.groups:
        if group.benchmark == asked and (group.mean if "mean" in column else group.reading == "official"):
            for line in group.lines:
                if line.metric == column["metric"] and (figure := line.figures[index]):
                    return _printed(group.benchmark, line.metric, figure)
                if line.metric == column["metric"] and model.name in line.refused:
                    return "refused"
    return ""


def _printed(benchmark: str, metric: str, figure: Estimate) -> str:
    """As papers print it: percentages without their sign."""
    words = metric_of(benchmark, metric)
    scale, digits = (100.0, 1) if words.share else (1.0, words.digits)
    value, low, high = (f"{figure[end] * scale:.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _protocol(model: Evaluated, index: int, columns: Sequence[Mapping[str, str]], found: Names) -> str:
    """What is known of the measured side: parser, decoding, judge."""
    protocol = model.answers.results.get("identity", {}).get("protocol", {})
    asked = [name for column in columns if "set" in column and (name := found[column["set"]][index])]
    identities = [protocol.get("benchmarks", {}).get(name, {}) for name in asked]
    judge = protocol.get("judge") or {}
    said = list(dict.fromkeys(_text(value) for identity in identities for value in identity.values() if value))
    said += [f"{kind.replace('_', '/')}: {how}" for kind, how in protocol.get("decoding", {}).items()]
    if judge:
        said.append(f"judge {_text(judge)}")
    return "; ".join(said) or "protocol not recorded"


@functools.cache
def _known() -> dict[str, Any]:
    text = files("groundtune.report.evaluation").joinpath("published.yaml").read_text(encoding="utf-8")
    known: dict[str, Any] = yaml.safe_load(text)
    return known
