"""One file at a time, in both kinds of place."""

import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from groundtune.digests import digest_file
from groundtune.errors import StorageError
from groundtune.storage.downloading import download
from groundtune.storage.failures import as_storage_error
from groundtune.storage.objects import delete, is_object, listing
from groundtune.storage.parallel import in_parallel
from groundtune.storage.places import is_mark, is_s3, join, partial_name
from groundtune.storage.retrying import CHECK_PATIENCE, patience
from groundtune.storage.uploading import create, upload


def file_sizes(uri: str) -> dict[str, int]:
    """Name of every file below a folder or prefix, relative to it -> its size in bytes."""
    if is_s3(uri):
        return {name: int(size) for name, (size, _) in sorted(listing(uri).items())}
    return {name: (Path(uri) / name).stat().st_size for name in list_files(uri)}


def file_versions(uri: str, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Name of every file below a folder or prefix that ends in one of `suffixes`, relative to it -> what changes with
    its content: the store's ETag, a file's sha256."""
    if is_s3(uri):
        return {name: str(etag) for name, (_, etag) in sorted(listing(uri).items()) if name.endswith(suffixes)}
    return {name: digest_file(Path(uri) / name) for name in list_files(uri) if name.endswith(suffixes)}


def list_files(uri: str) -> list[str]:
    """Names of all files below a folder or prefix, relative to it, sorted. A missing folder is an empty list."""
    if is_s3(uri):
        return sorted(listing(uri))
    root = Path(uri)
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def exists(uri: str) -> bool:
    """True when a file is there."""
    return is_object(uri) if is_s3(uri) else Path(uri).is_file()


def read_bytes(uri: str) -> bytes:
    """The whole content of one file."""
    if is_s3(uri):
        sink = io.BytesIO()
        download(uri, sink)
        return sink.getvalue()
    with _local("read", uri):
        return Path(uri).read_bytes()


def fetch_file(uri: str, target: Path) -> Path:
    """Stream one file to `target`, which appears only when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(target)
    try:
        with _local("read", uri):
            if is_s3(uri):
                with partial.open("wb") as stream:
                    download(uri, stream)
            else:
                shutil.copyfile(uri, partial)
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def fetch_files(files: Iterable[tuple[str, Path]]) -> None:
    """`fetch_file` on every (URI, target), several at a time."""
    in_parallel(lambda file: fetch_file(*file), files)


def publish_file(source: Path, uri: str) -> None:
    """Stream one file to a path or URI (in parts when large); it appears there only when it is whole."""
    with _local("write", uri):
        if is_s3(uri):
            upload(source, uri)
            return
        target = Path(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_name(target)
        try:
            shutil.copyfile(source, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def publish_once(content: bytes, uri: str) -> bool:
    """Create one small file, unless there is one of this name: of several writers exactly one is told True, whose
    content stays. The content must be no other writer's: who asks twice (an answer was lost) knows it again."""
    if is_s3(uri):
        return create(content, uri) or read_bytes(uri) == content
    target = Path(uri)
    with _local("create", uri):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_name(target)
        try:
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(partial, target)  # refuses a name that is taken, as no rename does
        except FileExistsError:
            return target.read_bytes() == content
        finally:
            partial.unlink(missing_ok=True)
    return True


def remove(uri: str) -> None:
    """Delete a file or everything below a folder or prefix, what says that the rest is there before the rest; a missing
    one is fine."""
    if is_s3(uri):
        delete(uri)
    elif Path(uri).is_dir():
        for name in filter(is_mark, list_files(uri)):
            (Path(uri) / name).unlink(missing_ok=True)
        shutil.rmtree(uri, ignore_errors=True)
    else:
        Path(uri).unlink(missing_ok=True)


def check_writable(uri: str) -> None:
    """Write, read back and delete a small probe, so that a wrong secret fails in seconds and not after hours."""
    name = join(uri, f".groundtune-probe-{uuid.uuid4().hex}")
    with patience(CHECK_PATIENCE), tempfile.NamedTemporaryFile() as probe:
        probe.write(b"groundtune")
        probe.flush()
        publish_file(Path(probe.name), name)
        if read_bytes(name) != b"groundtune":
            raise StorageError(f"{uri}: a probe file was read back different from what was written")
        remove(name)


@contextmanager
def _local(action: str, uri: str) -> Iterator[None]:
    """What a file system refuses, in one sentence."""
    try:
        yield
    except OSError as error:
        raise as_storage_error(error, action, uri) from error
