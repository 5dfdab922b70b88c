"""The form of a LoRA: what must be the same where training goes on with an adapter. Reads no weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune.errors import SettingError
from groundtune.settings import TrainingSettings


def target_modules(settings: TrainingSettings) -> str:
    """Which layers, as PEFT wants it: a pattern of their names."""
    return rf".*language_model.*\.({'|'.join(settings.lora_targets)})"


def check_form(config: Mapping[str, Any], settings: TrainingSettings) -> None:
    """config: of the adapter, as in its adapter_config.json. Raises SettingError when the settings ask for another
    form: an adapter cannot grow."""
    wanted = {
        "lora_rank": (settings.lora_rank, config.get("r")),
        "lora_alpha": (settings.lora_alpha, config.get("lora_alpha")),
        "lora_dropout": (settings.lora_dropout, config.get("lora_dropout")),
        "lora_targets": (target_modules(settings), config.get("target_modules")),
    }
    for name, (asked, found) in wanted.items():
        if asked != found:
            expected = f"{found}, as in the adapter that training goes on with; or rounds.policy base, a new one"
            raise SettingError(name, getattr(settings, name), expected, "training")


def read_form(adapter: Path) -> dict[str, Any]:
    """Of a PEFT folder."""
    found: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return found
