"""Names of places: paths and s3:// URIs, where state and downloads are kept, what a half-written file is called."""

import os
import tempfile
import threading
from fnmatch import fnmatch
from pathlib import Path

from groundtune.errors import StorageError

_MARKS = ("manifest.json", "COMPLETE", "part-*.parquet")  # of an artifact, a checkpoint, an unfinished artifact


def is_s3(uri: str) -> bool:
    """True for s3:// URIs."""
    return uri.startswith("s3://")


def join(root: str, name: str) -> str:
    """`name` below `root`, for both kinds of root."""
    return f"{root.rstrip('/')}/{name}" if is_s3(root) else str(Path(root) / name)


def split_s3(uri: str) -> tuple[str, str]:
    """s3://bucket/key -> (bucket, key)."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise StorageError(f"{uri}: an s3 URI is s3://bucket/key")
    return bucket, key


def is_mark(name: str) -> bool:
    """True for files that are written last and say that others are there: a reader, or a stage that goes on, believes
    them. They are deleted first, so that a deletion that is cut short leaves nothing to be believed."""
    return any(fnmatch(name.rpartition("/")[2], mark) for mark in _MARKS)


def state_root() -> str:
    """Where unfinished work is kept, from GROUNDTUNE_STATE (path or s3:// prefix); "" keeps it beside its output."""
    return os.environ.get("GROUNDTUNE_STATE", "")


def cache_root() -> Path:
    """Where what can be had again is kept on this machine (downloads, replies, features), from GROUNDTUNE_CACHE."""
    return Path(os.environ.get("GROUNDTUNE_CACHE", Path(tempfile.gettempdir()) / f"groundtune-cache-{os.getuid()}"))


def partial_name(target: Path) -> Path:
    """What `target` is called until it is whole: hidden, and of this process and thread alone."""
    return target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.partial")
