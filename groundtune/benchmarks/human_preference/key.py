"""The key of a sheet: which answer was whose. It stays with whoever made the sheet."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.benchmarks.human_preference.pairs import Drawn
from groundtune.errors import ArtifactError

FILE = "key.json"
FORMAT = "groundtune sheet key 1"


@dataclass(frozen=True)
class KeyPair:
    """One question of the sheet, by reference; `aligned_first` is the secret."""

    pair_id: str
    benchmark: str
    question_id: str
    image: str
    aligned_first: bool


@dataclass(frozen=True)
class Key:
    """sheet: digest of what raters see. base, aligned: digests of the answers. identical: pairs that were not shown
    because both answers were equal; they count as ties."""

    sheet: str
    base: str
    aligned: str
    seed: int
    pairs: tuple[KeyPair, ...]
    identical: tuple[KeyPair, ...]


def key_of(sheet: str, base: Artifact, aligned: Artifact, seed: int, drawn: Drawn) -> Key:
    def kept(pairs: Sequence[Any]) -> tuple[KeyPair, ...]:
        return tuple(
            KeyPair(pair.pair_id, pair.benchmark, pair.question_id, pair.image, pair.aligned_first) for pair in pairs
        )

    return Key(sheet, base.digest, aligned.digest, seed, kept(drawn.pairs), kept(drawn.identical))


def write_key(key: Key, file: Path) -> None:
    """Raises ArtifactError when `file` is the key of another sheet: without it that sheet's verdicts are lost."""
    if file.is_file() and read_key(file).sheet != key.sheet:
        raise ArtifactError(f"{file}: is the key of another sheet; write this sheet to a folder of its own")
    file.write_text(json.dumps({"format": FORMAT, **asdict(key)}, indent=1, ensure_ascii=False) + "\n")


def read_key(file: str | Path) -> Key:
    """Raises ArtifactError that names the file when it is no key."""
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(f"{file}: not JSON: {error}") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ArtifactError(f'{file}: not a sheet\'s key (expected "format": {FORMAT!r}); it lies beside the sheet')
    try:
        for name in ("pairs", "identical"):
            content[name] = tuple(KeyPair(**pair) for pair in content[name])
        return Key(**content)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{file}: a damaged key: {error}") from error
