"""Whole folders, and local copies of what lies in the store."""

import hashlib
import json
from pathlib import Path

from groundtune.errors import StorageError
from groundtune.storage.files import fetch_file, fetch_files, list_files, publish_file
from groundtune.storage.objects import listing
from groundtune.storage.parallel import in_parallel
from groundtune.storage.places import cache_root, is_s3, join, partial_name


def publish_folder(source: Path, uri: str, last: str = "manifest.json") -> None:
    """Every file below `source`, several at a time; the one called `last` follows when all others are there, so that a
    reader who waits for it never sees it without them."""
    names = list_files(str(source))
    in_parallel(lambda name: publish_file(source / name, join(uri, name)), [name for name in names if name != last])
    if last in names:
        publish_file(source / last, join(uri, last))


def local_folder(uri: str, cache: Path | None = None) -> Path:
    """A local folder with the content of `uri`: the path itself, or a download of the s3 prefix, of which only what
    changed since the last time (by size and ETag) is fetched again.

    Raises StorageError when nothing is there.
    """
    if not is_s3(uri):
        if not Path(uri).is_dir():
            raise StorageError(f"{uri}: no such folder")
        return Path(uri)
    target = (cache or cache_root()) / hashlib.sha256(uri.encode()).hexdigest()[:16]
    found = listing(uri)
    if not found:
        raise StorageError(f"{uri}: no object has this prefix; check the bucket's name and the path")
    known = target.with_name(target.name + ".listing.json")
    had = json.loads(known.read_text()) if known.is_file() else {}
    changed = [name for name, identity in found.items() if had.get(name) != identity or not (target / name).is_file()]
    fetch_files((join(uri, name), target / name) for name in changed)
    for name in set(had) - set(found):
        (target / name).unlink(missing_ok=True)
    partial = partial_name(known)
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(found))
    partial.replace(known)
    return target


def local_file(uri: str, cache: Path | None = None) -> Path:
    """A local file with the content of `uri`: the path itself, or a download."""
    if not is_s3(uri):
        if not Path(uri).is_file():
            raise StorageError(f"{uri}: no such file")
        return Path(uri)
    return fetch_file(uri, (cache or cache_root()) / hashlib.sha256(uri.encode()).hexdigest()[:16] / Path(uri).name)
