"""Prompts of judges: ours, or the user's own file beside the questions, filled in one pass."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.errors import SettingError

FILE = "judge_prompt.txt"


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with `{name}` replaced for every name in values. In one pass: an answer that holds "{question}"
    stays as it is, and so do other braces of the template."""
    names = "|".join(re.escape(name) for name in values)
    return re.sub(rf"\{{({names})\}}", lambda found: values[found.group(1)], template)


def read_prompt(files: QuestionFiles, placeholders: Sequence[str]) -> str:
    """The text of `judge_prompt.txt` in a benchmark's folder, "" when there is none.

    Raises SettingError unless every placeholder is in it: a judge that does not see the answer would rate something
    else.
    """
    if not files.has(FILE):
        return ""
    template = files.text(FILE)
    for name in placeholders:
        if f"{{{name}}}" not in template:
            raise SettingError("benchmarks", files.place(FILE), f"a prompt that holds {{{name}}}")
    return template


def prompt_identity(own: str, template: str) -> str:
    """What an identity says of the prompt. own: name and version of our wording; template: the user's, "" for none."""
    return (
        f"sha256 {hashlib.sha256(template.encode()).hexdigest()}" if template else f"{own} (groundtune's own wording)"
    )
