"""What is on disk: is a model folder complete and safe to read, and which bytes is it?"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.digests import digest_file, digest_of
from groundtune.errors import CheckpointError

PICKLES = (".bin", ".pt", ".pth", ".ckpt")
DIGESTED = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer*",
    "spiece.model",
    "vocab.*",
    "merges.txt",
    "adapter_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
)
PARTS = {  # of a checkpoint beside the model itself, and the files that hold them
    "processor": ("processor_config.json", "preprocessor_config.json"),
    "chat_template": ("chat_template.*",),
    "tokenizer": (
        "tokenizer*",
        "special_tokens_map.json",
        "added_tokens.json",
        "spiece.model",
        "vocab.*",
        "merges.txt",
    ),
}


def check_checkpoint(path: str | Path) -> None:
    """A model folder (LLaVA, CLIP, SigLIP ...) must hold config.json and safetensors, and need no remote
    code.

    Raises CheckpointError that names the file and what to do. Reads no weights.
    """
    folder = _folder(path)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder}: no config.json: this is not a model folder in Hugging Face format")
    for file in sorted(folder.glob("*config*.json")):
        if _holds(_read_json(file), "auto_map"):
            raise CheckpointError(
                f"{file}: `auto_map` asks for Python code that comes with the checkpoint; a checkpoint that "
                "needs remote code is refused: use one of an architecture that transformers ships"
            )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = [file.name for file in sorted(folder.iterdir()) if file.suffix in PICKLES]
        if pickles:
            raise CheckpointError(
                f"{folder}: {pickles[0]} is a pickle, which can run code when read; only safetensors are "
                "read: convert it with save_pretrained"
            )
        raise CheckpointError(f"{folder}: no *.safetensors weights")
    for index in folder.glob("*.safetensors.index.json"):
        missing = sorted(
            set(_read_json(index).get("weight_map", {}).values()) - {file.name for file in weights}
        )
        if missing:
            raise CheckpointError(
                f"{folder}: {index.name} names {missing[0]}, which is missing: copy all the files"
            )


def check_adapter(path: str | Path) -> None:
    """An adapter folder must be what PEFT writes, with safetensors. Raises CheckpointError."""
    folder = _folder(path)
    if not (folder / "adapter_config.json").is_file():
        raise CheckpointError(f"{folder}: no adapter_config.json: this is not a PEFT adapter folder")
    config = _read_json(folder / "adapter_config.json")
    if _holds(config, "auto_map"):
        raise CheckpointError(f"{folder}/adapter_config.json: an adapter that needs remote code is refused")
    if (folder / "adapter_model.bin").exists():
        raise CheckpointError(
            f"{folder}: adapter_model.bin is a pickle, which can run code when read; only safetensors are "
            "read: save the adapter with safe_serialization=True and delete the .bin file"
        )
    if not (folder / "adapter_model.safetensors").is_file():
        raise CheckpointError(f"{folder}: no adapter_model.safetensors")


@dataclass(frozen=True)
class CheckpointIdentity:
    """digest: of all the files that count. parts: "model" (weights, config), "processor", "tokenizer" and
    "chat_template" -> sha256 (hex) of what belongs to it, so that a change can be told by name.
    """

    digest: str
    parts: dict[str, str]


def checkpoint_identity(path: str | Path) -> CheckpointIdentity:
    """Over names and bytes of the config, tokenizer, processor and weight files of a model or adapter folder.

    The folder's place does not matter, nor do files that do not change what the model computes (README,
    logs); an adapter's note of where its base model lay is left out for that reason.
    """
    folder = _folder(path)
    files = {file for pattern in DIGESTED for file in folder.glob(pattern) if file.is_file()}
    total = hashlib.sha256()
    parts: dict[str, list[str]] = {name: [] for name in ("model", *PARTS)}
    for file in sorted(files):
        found = _file_digest(file)
        total.update(f"{file.name}\0{found}\n".encode())
        part = next((name for name, patterns in PARTS.items() if any(map(file.match, patterns))), "model")
        if file.name == "tokenizer_config.json":  # also where older checkpoints keep the template
            settings = _read_json(file)
            template = settings.pop("chat_template", None)
            found = digest_of(settings)
            if template is not None:
                parts["chat_template"].append(digest_of(template))
        parts[part].append(f"{file.name} {found}")
    return CheckpointIdentity(total.hexdigest(), {name: digest_of(held) for name, held in parts.items()})


def checkpoint_digest(path: str | Path) -> str:
    """The digest of checkpoint_identity."""
    return checkpoint_identity(path).digest


def _file_digest(file: Path) -> str:
    if file.name == "adapter_config.json":
        config = {key: value for key, value in _read_json(file).items() if key != "base_model_name_or_path"}
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    return digest_file(file)


def _folder(path: str | Path) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        raise CheckpointError(
            f"{path}: no such folder (a model is read from a local folder; models are not fetched from a hub)"
        )
    return folder


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{file}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{file}: holds {type(value).__name__}, expected a JSON object")
    return value


def _holds(value: object, key: str) -> bool:
    if isinstance(value, dict):
        return bool(value.get(key)) or any(_holds(part, key) for part in value.values())
    return isinstance(value, list) and any(_holds(part, key) for part in value)
