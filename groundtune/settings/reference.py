"""The settings reference in Markdown, from the dataclasses themselves:

python -m groundtune.settings.reference > docs/reference/settings.md
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from groundtune.settings.sections import SECTIONS


def markdown() -> str:
    """One table a section: name, default, range, unit, source, help."""
    parts = [
        "# Settings",
        "Sections of a run's YAML file, struct parameters of the pipeline, `--set section.name=value` on the command "
        "line. The source says what a paper states and what is this project's choice (ours).",
        "This page is written by `python -m groundtune.settings.reference > docs/reference/settings.md`.",
    ]
    for section, cls in SECTIONS.items():
        rows = ["| setting | default | valid | source | meaning |", "|---|---|---|---|---|"]
        defaults = cls().to_mapping()
        for field in dataclasses.fields(cls):
            meta = field.metadata
            unit = f" ({meta['unit']})" if meta["unit"] else ""
            default = json.dumps(defaults[field.name], ensure_ascii=False)
            cells = [f"`{field.name}`", f"`{default}`{unit}", _valid(meta), meta["source"], meta["help"]]
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        purpose = (cls.__doc__ or "").strip()
        parts += [f"## `{section}`", purpose, "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _valid(meta: Mapping[str, Any]) -> str:
    if meta["choices"]:
        return ", ".join(f"`{choice}`" for choice in meta["choices"])
    low, high = meta["low"], meta["high"]
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:g}'} … {'' if high is None else f'{high:g}'}".strip()


if __name__ == "__main__":
    print(markdown(), end="")
