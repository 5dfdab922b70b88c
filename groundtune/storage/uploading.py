"""Bytes into the store: in parts when there are many, each sent again until the store has it; visible when all are in.

The store refuses a request whose bytes do not match their MD5 and CRC32 (boto3 adds the latter); the sha256 of the
whole travels with the object and is checked whenever it is read (downloading.Check).
"""

import base64
import contextlib
import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from botocore.exceptions import ClientError

from groundtune.digests import digest_file
from groundtune.errors import StorageError
from groundtune.storage.connection import client
from groundtune.storage.downloading import SHA256
from groundtune.storage.failures import Damaged, code_of
from groundtune.storage.places import split_s3
from groundtune.storage.retrying import patience, repeat
from groundtune.storage.unfinished import abort, abort_stale

PART = 8 << 20  # bytes; what is smaller goes in one request
PARTS_AT_ONCE = 4  # of one file
_in_memory = BoundedSemaphore(8)  # parts of all files: what uploads may take is 8 * PART
_MOST_PARTS = 10_000  # S3's limit
_MOST_UPLOADS = 3  # of one file, when the store says that it does not know the one that was begun


def upload(source: Path, uri: str) -> None:
    """One file to one object, which appears when it is whole. Raises StorageError; then nothing changed."""
    size, digest = source.stat().st_size, digest_file(source)
    if size <= PART:
        bucket, key = split_s3(uri)
        place = {"Bucket": bucket, "Key": key, "Metadata": {SHA256: digest}}
        with _in_memory:
            body = source.read_bytes()
            repeat("write", uri, lambda: client().put_object(**place, Body=body, ContentMD5=_md5(body)))
        return
    abort_stale(uri)
    for _ in range(_MOST_UPLOADS):
        if _Multipart(source, uri, size, digest).run():
            return
    raise StorageError(f"cannot write {uri}: something aborts uploads to it; check who else writes there")


def create(content: bytes, uri: str) -> bool:
    """One small object, unless there is one of this name: False then, and it stays as it is. The store decides, so of
    several writers at the same moment exactly one is told True."""
    bucket, key = split_s3(uri)
    place = {"Bucket": bucket, "Key": key, "Metadata": {SHA256: hashlib.sha256(content).hexdigest()}}

    def ask() -> bool:
        try:
            client().put_object(**place, Body=content, ContentMD5=_md5(content), IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) == "ConditionalRequestConflict":  # another write to it is on its way: ask again
                raise Damaged(str(error)) from error
            if code_of(error) != "PreconditionFailed":
                raise
            return False
        return True

    return repeat("create", uri, ask)


class _Multipart:
    """One multipart upload of one file."""

    def __init__(self, source: Path, uri: str, size: int, digest: str):
        self.source, self.uri, self.size, self.digest = source, uri, size, digest
        self.bucket, self.key = split_s3(uri)
        self.part_size = max(PART, math.ceil(size / _MOST_PARTS))
        self.upload_id = ""

    def run(self) -> bool:
        """False when the store lost the upload meanwhile. When it fails nothing of it stays, if the store still
        answers."""
        place = {"Bucket": self.bucket, "Key": self.key, "Metadata": {SHA256: self.digest}}
        made = repeat("write", self.uri, lambda: client().create_multipart_upload(**place))
        self.upload_id = made["UploadId"]
        try:
            return self._send_all()
        except BaseException:
            self._give_up()
            raise

    def _send_all(self) -> bool:
        numbers = range(1, math.ceil(self.size / self.part_size) + 1)
        try:
            with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="upload") as pool:
                sending = [pool.submit(copy_context().run, self._send, number) for number in numbers]
                try:
                    parts = [one.result() for one in sending]
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
            repeat("write", self.uri, lambda: self._complete(parts))
        except _Forgotten:
            return False
        return True

    def _send(self, number: int) -> dict[str, Any]:
        """Upload one part, as often as it takes; the others stay where they are. number: from 1."""
        place = {"Bucket": self.bucket, "Key": self.key, "UploadId": self.upload_id, "PartNumber": number}

        def ask() -> dict[str, Any]:
            try:
                answer = client().upload_part(**place, Body=body, ContentMD5=_md5(body))
            except ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    raise _Forgotten(self.uri) from error
                raise
            return {"PartNumber": number, "ETag": answer["ETag"]}

        with _in_memory, self.source.open("rb") as stream:
            stream.seek((number - 1) * self.part_size)
            body = stream.read(self.part_size)
            return repeat("write", self.uri, ask)

    def _complete(self, parts: list[dict[str, Any]]) -> None:
        try:
            client().complete_multipart_upload(
                Bucket=self.bucket, Key=self.key, UploadId=self.upload_id, MultipartUpload={"Parts": parts}
            )
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise
            if not self._is_there():  # else it was done, and the answer to an earlier try was lost
                raise _Forgotten(self.uri) from error

    def _is_there(self) -> bool:
        try:
            found = client().head_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if code_of(error) == "404":
                return False
            raise
        return bool(found["ContentLength"] == self.size and found["Metadata"].get(SHA256) == self.digest)

    def _give_up(self) -> None:
        with patience(0), contextlib.suppress(StorageError):
            abort(self.uri, self.key, self.upload_id)


class _Forgotten(StorageError):
    """The store does not know the upload: it was aborted by somebody else."""


def _md5(data: bytes) -> str:
    """As the Content-MD5 header wants it."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
