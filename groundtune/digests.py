"""Content digests: the same content has the same sha256, whatever the file, the order of keys or the shard."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces. NaN is refused: it has no place in a contract."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """sha256 (hex) of a JSON value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def digest_rows(rows: Iterable[dict[str, Any]]) -> str:
    """sha256 (hex) of rows in their order; independent of how they are cut into parts."""
    total = hashlib.sha256()
    for row in rows:
        total.update(canonical_json(row).encode())
        total.update(b"\n")
    return total.hexdigest()


def digest_file(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def digest_folder(path: Path, patterns: tuple[str, ...] = ("**/*",)) -> str:
    """sha256 (hex) of the names and contents of a folder's files."""
    files = sorted({file for pattern in patterns for file in path.glob(pattern) if file.is_file()})
    return digest_of([[str(file.relative_to(path)), digest_file(file)] for file in files])
