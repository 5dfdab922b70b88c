"""Paths and s3:// URIs behind the same few functions.

The endpoint and the keys come from the standard variables (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_CA_BUNDLE, or an IAM role); nothing of them is ever stored or logged.
"""

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundtune.errors import StorageError


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


@functools.cache
def _client_of(pid: int, endpoint: str | None) -> Any:
    import boto3
    from botocore.config import Config

    config: Any = Config(
        signature_version="s3v4",
        retries={"max_attempts": 5, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    return boto3.client("s3", endpoint_url=endpoint, config=config)


def _client() -> Any:
    return _client_of(os.getpid(), os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))


@contextmanager
def _reported(uri: str, action: str) -> Iterator[None]:
    """Turn every failure of boto3 into one sentence that names the URI and the setting to look at."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        hint = {
            "403": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            "AccessDenied": "check the bucket policy of these credentials",
            "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
            "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID",
            "NoSuchBucket": "check the bucket's name",
            "404": "check that the object and the bucket exist",
        }.get(code, "check AWS_ENDPOINT_URL and the credentials")
        raise StorageError(f"cannot {action} {uri}: the store answered {code}; {hint}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageError(
            f"cannot {action} {uri}: {error}; check AWS_ENDPOINT_URL and that the store is reachable"
        ) from error
    except OSError as error:
        raise StorageError(f"cannot {action} {uri}: {error.strerror or error}") from error


def list_files(uri: str) -> list[str]:
    """Names of all files below a folder or prefix, relative to it, sorted. A missing folder is an empty list."""
    if not is_s3(uri):
        root = Path(uri)
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    return sorted(_listing(uri))


def exists(uri: str) -> bool:
    """True when a file is there."""
    if not is_s3(uri):
        return Path(uri).is_file()
    bucket, key = split_s3(uri)
    with _reported(uri, "look up"):
        found = _client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return bool(found) and found[0]["Key"] == key


def listing_digest(uri: str) -> str:
    """sha256 (hex) of a prefix's listing (names, sizes, ETags): changes with the content, reads none of it."""
    return hashlib.sha256(json.dumps(_listing(uri), sort_keys=True).encode()).hexdigest()


def _listing(uri: str) -> dict[str, list[Any]]:
    """name below the prefix -> [size, ETag]."""
    bucket, key = split_s3(uri)
    prefix = key.rstrip("/") + "/" if key else ""
    with _reported(uri, "list"):
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        items = [item for page in pages for item in page.get("Contents", [])]
    return {item["Key"][len(prefix) :]: [item["Size"], item["ETag"]] for item in items}


def state_root() -> str:
    """Where unfinished work is kept, from GROUNDTUNE_STATE (path or s3:// prefix); "" keeps it beside its output."""
    return os.environ.get("GROUNDTUNE_STATE", "")


def read_bytes(uri: str) -> bytes:
    """The whole content of one file."""
    if not is_s3(uri):
        with _reported(uri, "read"):
            return Path(uri).read_bytes()
    bucket, key = split_s3(uri)
    with _reported(uri, "read"):
        body: bytes = _client().get_object(Bucket=bucket, Key=key)["Body"].read()
        return body


def fetch_file(uri: str, target: Path) -> Path:
    """Stream one file to `target`, which appears only when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial_name(target)
    with _reported(uri, "read"):
        if is_s3(uri):
            bucket, key = split_s3(uri)
            with partial.open("wb") as stream:
                _client().download_fileobj(bucket, key, stream)
        else:
            shutil.copyfile(uri, partial)
        partial.replace(target)
    return target


def publish_file(source: Path, uri: str) -> None:
    """Stream one file to a path or URI (multipart when large); it appears there only when it is whole."""
    with _reported(uri, "write"):
        if is_s3(uri):
            bucket, key = split_s3(uri)
            with source.open("rb") as stream:
                _client().upload_fileobj(stream, bucket, key)
        else:
            target = Path(uri)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = _partial_name(target)
            shutil.copyfile(source, partial)
            partial.replace(target)


def publish_folder(source: Path, uri: str) -> None:
    """Every file below `source`; a `manifest.json` goes last, so that a reader never sees it without its parts."""
    names = sorted(list_files(str(source)), key=lambda name: (name == "manifest.json", name))
    for name in names:
        publish_file(source / name, join(uri, name))


def remove(uri: str) -> None:
    """Delete a file or everything below a folder or prefix; a missing one is fine."""
    if not is_s3(uri):
        path = Path(uri)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return
    bucket, key = split_s3(uri)
    with _reported(uri, "delete"):
        for name in list_files(uri):
            _client().delete_object(Bucket=bucket, Key=f"{key.rstrip('/')}/{name}")
        if key:
            _client().delete_object(Bucket=bucket, Key=key)


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
    found = _listing(uri)
    if not found:
        raise StorageError(f"{uri}: no object has this prefix; check the bucket's name and the path")
    known = target.with_name(target.name + ".listing.json")
    had = json.loads(known.read_text()) if known.is_file() else {}
    for name, identity in found.items():
        if had.get(name) != identity or not (target / name).is_file():
            fetch_file(join(uri, name), target / name)
    for name in set(had) - set(found):
        (target / name).unlink(missing_ok=True)
    partial = _partial_name(known)
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


def check_writable(uri: str) -> None:
    """Write, read back and delete a small probe, so that a wrong secret fails in seconds and not after hours."""
    name = join(uri, f".groundtune-probe-{os.getpid()}")
    with tempfile.NamedTemporaryFile() as probe:
        probe.write(b"groundtune")
        probe.flush()
        publish_file(Path(probe.name), name)
    if read_bytes(name) != b"groundtune":
        raise StorageError(f"{uri}: a probe file was read back different from what was written")
    remove(name)


def cache_root() -> Path:
    """Where downloads and replies that can be had again are kept on this machine, from GROUNDTUNE_CACHE."""
    return Path(os.environ.get("GROUNDTUNE_CACHE", Path(tempfile.gettempdir()) / f"groundtune-cache-{os.getuid()}"))


def _partial_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.partial")
