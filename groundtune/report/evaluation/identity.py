"""The identity of every score: what a figure must be reported with, and what was left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.artifacts import Row
from groundtune.report.evaluation.figures import Evaluated
from groundtune.report.evaluation.judge import judge_entries
from groundtune.report.evaluation.words import benchmark_title

Entries = list[tuple[str, str]]
_TEXT = ("text_analysis", "spacy_model", "nltk_data", "wordnet", "similarity_model")
_MODEL_ONLY = ("model", "adapter")


def model_identity(model: Evaluated) -> Entries:
    """Weights, prompt, arithmetic, versions of one model's evaluation, and who really judged it."""
    identity, manifest = model.answers.results.get("identity", {}), model.answers.manifest
    entries = [
        ("answers", model.answers.digest),
        ("model", str(identity.get("model", ""))),
        ("adapter", str(identity.get("adapter", "")) or "none"),
        ("prompt template", str(identity.get("prompt_template", ""))),
        ("arithmetic", " on ".join(filter(None, (str(identity.get("dtype", "")), str(identity.get("device", "")))))),
        *judge_entries(model.answers.results.get("judge", {})),
        ("groundtune", str(manifest.get("groundtune", ""))),
        *((name, str(version)) for name, version in manifest.get("packages", {}).items()),
        ("finished", str(manifest.get("created", ""))),
    ]
    return [(name, value) for name, value in entries if value]


def protocol_of(model: Evaluated) -> Entries:
    """How it was asked, read and judged: what two evaluations must share to be compared."""
    settings, protocol = model.answers.settings, model.answers.results.get("identity", {}).get("protocol", {})
    entries: Entries = []
    for name, identity in protocol.get("benchmarks", {}).items():
        for key, value in identity.items():
            entries.append((f"{benchmark_title(name)}: {key.replace('_', ' ')}", text_of(value)))
    entries += [(f"{name}: sha256", str(digest)) for name, digest in protocol.get("inputs", {}).items()]
    if protocol.get("images"):
        entries.append(("pictures: sha256", str(protocol["images"])))
    entries += [(f"decoding, {kind.replace('_', '/')}", how) for kind, how in protocol.get("decoding", {}).items()]
    entries.append(("line below yes/no questions", str(protocol.get("yes_no_suffix", "")) or "none"))
    entries.append(("limit", text_of(protocol.get("limit", 0)) if protocol.get("limit") else "none"))
    entries.append(("judge", text_of(protocol.get("judge") or "none")))
    entries += [
        (name.replace("_", " "), text_of(settings[name])) for name in _TEXT if settings.get(name) not in (None, "")
    ]
    resamples, seed = settings.get("bootstrap_resamples", ""), settings.get("seed", "")
    entries.append(("bootstrap", f"{resamples} resamples over pictures, seed {seed}"))
    return entries


def excluded_of(models: Sequence[Evaluated]) -> list[tuple[str, list[Row]]]:
    """(model, its questions that were left out), for every model that has some."""
    return [(model.name, rows) for model in models if (rows := model.answers.rejected())]


def text_of(value: Any) -> str:
    """A JSON value on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text_of(inner)}" for key, inner in value.items() if inner not in (None, ""))
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    return str(value)
