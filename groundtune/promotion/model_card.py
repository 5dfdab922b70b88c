"""The model card: what the adapter is, what made it, how well it does, and whose terms it inherits."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import groundtune
from groundtune.artifacts import Artifact

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.S)
_LICENCE = re.compile(r"^license(?:_name)?:\s*(\S+)", re.M)


def model_card(
    name: str,
    base: str,
    base_folder: Path,
    digests: Mapping[str, str],
    adapter_manifest: Mapping[str, Any],
    evaluation: Artifact | None,
) -> str:
    """Markdown. base: where the base checkpoint comes from; digests: adapter, base and what else identifies it."""
    blocks = [
        f"# {name}",
        f"A LoRA adapter for `{base}`, trained by groundtune {groundtune.__version__} on preferences that the model's "
        "own answers and the images gave, without human labels.",
        "## Base model and licence\n\n" + licence_note(base_folder),
        "## Results\n\n" + _results(evaluation),
        "## Lineage\n\n" + _table(("what", "sha256"), [(what, f"`{digest}`") for what, digest in digests.items()]),
    ]
    parents = adapter_manifest.get("parents", {})
    if parents:
        blocks[-1] += "\n\nThe adapter was made from:\n\n"
        blocks[-1] += _table(("input", "sha256"), [(what, f"`{digest}`") for what, digest in parents.items()])
    settings = adapter_manifest.get("settings", {})
    if settings:
        rows = [(f"`{key}`", f"`{json.dumps(value)}`") for key, value in settings.items()]
        blocks.append("## Training settings\n\n" + _table(("setting", "value"), rows))
    blocks.append(
        '## Use\n\n```python\nmodel = mlflow.pyfunc.load_model("models:/'
        + name
        + '@<alias>")\nmodel.predict(pandas.DataFrame({"image": [base64_or_path], "instruction": ["Describe this '
        'image."]}))\n```'
    )
    return "\n\n".join(blocks) + "\n"


def licence_note(base_folder: Path) -> str:
    """What the base checkpoint's own files say about its licence; says so when they say nothing."""
    readme = base_folder / "README.md"
    named = ""
    if readme.is_file():
        front = _FRONT_MATTER.match(readme.read_text(errors="replace"))
        found = _LICENCE.search(front.group(1)) if front else None
        named = found.group(1).strip("\"'") if found else ""
    files = sorted(file.name for file in base_folder.glob("*") if re.match(r"(LICEN[CS]E|NOTICE|COPYING)", file.name))
    said = [f"its README names the licence `{named}`"] if named else []
    said += [f"its folder holds {', '.join(f'`{file}`' for file in files)}"] if files else []
    if said:
        return f"Of the base model, {' and '.join(said)}. These terms hold for the adapter together with it."
    return (
        "The base checkpoint's folder names no licence. The adapter derives from that model and inherits its terms "
        "(for LLaVA-1.5 those of its language model and of its training data): find them before you pass it on."
    )


def _results(evaluation: Artifact | None) -> str:
    if evaluation is None:
        return "Not evaluated."
    share = f"{float(evaluation.settings.get('interval', 0.95)):.3g}"
    rows = []
    parts = {**evaluation.results.get("benchmarks", {}), **evaluation.results.get("means", {})}
    for benchmark, entry in parts.items():
        for metric, figure in entry["metrics"].items():
            rows.append((benchmark, metric, f"{figure['value']:.4g}", f"{figure['low']:.4g} to {figure['high']:.4g}"))
    table = _table(("benchmark", "metric", "value", f"interval ({share})"), rows)
    return f"{table}\n\nIntervals: bootstrap over images. Evaluation `{evaluation.digest}`."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
