"""Bytes out of the store: streamed, continued where a connection broke, checked against what the store says."""

import base64
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from botocore.exceptions import ClientError, FlexibleChecksumError

from groundtune.storage.connection import client
from groundtune.storage.failures import Damaged, as_storage_error, code_of
from groundtune.storage.places import split_s3
from groundtune.storage.retrying import Retry

SHA256 = "groundtune-sha256"  # user metadata of what we upload: hex, of the whole object
_CHUNK = 1 << 20
_MOST_SPOILED = 3  # whole transfers; then it is the object that is damaged, not the way


@dataclass
class Check:
    """The strongest thing that the store says of an object's bytes, and our own reading of what arrived.

    An upload of ours carries its sha256. Of other objects a checksum of the whole is used, else the ETag, which is the
    MD5 unless the object came in parts or is encrypted with a key of KMS; a length there always is.
    """

    size: int
    etag: str
    name: str = ""
    expected: str = ""
    _update: Callable[[bytes], None] = field(default=lambda data: None, repr=False)
    _found: Callable[[], str] = field(default=lambda: "", repr=False)
    arrived: int = 0

    @classmethod
    def of(cls, answer: dict[str, Any]) -> "Check":
        """From GetObject's answer to a request for the whole object."""
        size, etag = int(answer["ContentLength"]), str(answer["ETag"])
        tag = etag.strip('"')
        if stated := answer.get("Metadata", {}).get(SHA256):
            digest = hashlib.sha256()
            return cls(size, etag, "sha256", stated, digest.update, digest.hexdigest)
        if (stated := answer.get("ChecksumSHA256", "")) and "-" not in stated:
            digest = hashlib.sha256()
            return cls(size, etag, "sha256", stated, digest.update, lambda: base64.b64encode(digest.digest()).decode())
        if (stated := answer.get("ChecksumCRC32", "")) and "-" not in stated:
            crc = _Crc32()
            return cls(size, etag, "CRC32", stated, crc.update, crc.text)
        keyed = answer.get("SSECustomerAlgorithm") or answer.get("ServerSideEncryption", "AES256") != "AES256"
        if len(tag) == 32 and not keyed:
            md5 = hashlib.md5(usedforsecurity=False)
            return cls(size, etag, "MD5", tag, md5.update, md5.hexdigest)
        return cls(size, etag)

    def take(self, data: bytes) -> None:
        self._update(data)
        self.arrived += len(data)

    def finish(self) -> None:
        """Raises Damaged unless all bytes arrived, and the right ones."""
        if self.arrived != self.size:
            raise Damaged(f"{self.arrived:,} of {self.size:,} bytes arrived")
        found = self._found()
        if found != self.expected:
            raise Damaged(f"the {self.name} of what arrived is {found}, the store says {self.expected}")


class _Crc32:
    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes) -> None:
        self.value = zlib.crc32(data, self.value)

    def text(self) -> str:
        return base64.b64encode(self.value.to_bytes(4, "big")).decode()


def download(uri: str, sink: BinaryIO) -> None:
    """Write the whole object into `sink` (opened for writing, seekable, empty), with a MiB of it in memory at a time.

    A broken transfer goes on from the byte that it had reached, of the same version of the object. Raises
    StorageError; then `sink` holds rubbish.
    """
    retry, transfer, spoiled = Retry("read", uri), _Transfer(uri, sink), 0
    while True:
        try:
            transfer.go_on(retry.went_forward)
            return
        except Exception as error:
            if isinstance(error, Damaged | FlexibleChecksumError):
                transfer.start_over()
                spoiled += 1
            if spoiled == _MOST_SPOILED:
                raise as_storage_error(error, "read", uri) from error
            retry.wait_or_raise(error)


class _Transfer:
    """One object on its way into `sink`."""

    def __init__(self, uri: str, sink: BinaryIO):
        self.bucket, self.key = split_s3(uri)
        self.sink = sink
        self.check: Check | None = None

    def go_on(self, went_forward: Callable[[], None]) -> None:
        """Fetch what has not arrived yet, and check the whole."""
        if self.check is None:
            answer = client().get_object(Bucket=self.bucket, Key=self.key)
            self.check = Check.of(answer)
        elif self.check.arrived < self.check.size:
            answer = self._rest(self.check)
        else:
            return self.check.finish()
        for chunk in answer["Body"].iter_chunks(_CHUNK):
            self.sink.write(chunk)
            self.check.take(chunk)
            went_forward()
        return self.check.finish()

    def start_over(self) -> None:
        self.check = None
        self.sink.seek(0)
        self.sink.truncate()

    def _rest(self, check: Check) -> Any:
        """The answer to a request for what is missing of the version that was begun."""
        try:
            return client().get_object(
                Bucket=self.bucket, Key=self.key, Range=f"bytes={check.arrived}-", IfMatch=check.etag
            )
        except ClientError as error:
            if code_of(error) == "PreconditionFailed":
                raise Damaged("it was replaced while it was read") from error
            raise
