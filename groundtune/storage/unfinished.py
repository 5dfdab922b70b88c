"""Multipart uploads that a lost process left: invisible, never resumed, and paid for until somebody aborts them."""

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from groundtune.storage.connection import client
from groundtune.storage.failures import code_of
from groundtune.storage.places import split_s3
from groundtune.storage.retrying import repeat

_STARTED = datetime.now(UTC)  # this process: what began before it is not its own
# Without the right to list uploads they cost money and harm nothing; the bucket's lifecycle rule is the second net.
_NOT_FOR_US = {"AccessDenied", "403", "NotImplemented", "MethodNotAllowed"}


def unfinished_below(uri: str) -> list[dict[str, Any]]:
    """Key, UploadId and Initiated of the uploads to this object or below it as a prefix."""
    bucket, key = split_s3(uri)
    base = f"{key.rstrip('/')}/" if key else ""

    def ask() -> list[dict[str, Any]]:
        try:
            pages = list(client().get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key))
        except ClientError as error:
            if code_of(error) in _NOT_FOR_US:
                return []
            raise
        return [upload for page in pages for upload in page.get("Uploads", [])]

    return [one for one in repeat("list uploads to", uri, ask) if one["Key"] == key or one["Key"].startswith(base)]


def abort_below(uri: str) -> None:
    """Abort all of them: whoever deletes a place wants nothing to appear there any more."""
    for upload in unfinished_below(uri):
        abort(uri, upload["Key"], upload["UploadId"])


def abort_stale(uri: str) -> None:
    """Abort the uploads to exactly this object that began before this process did. A later one is another process's,
    alive: each of the two that aborted the other's would have to begin anew, in turn, for ever."""
    _, key = split_s3(uri)
    for upload in unfinished_below(uri):
        if upload["Key"] == key and upload["Initiated"] < _STARTED:
            abort(uri, key, upload["UploadId"])


def abort(uri: str, key: str, upload_id: str) -> None:
    """Abort one upload to the bucket of `uri`; one that is gone is fine."""
    bucket, _ = split_s3(uri)

    def ask() -> None:
        try:
            client().abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if code_of(error) not in ("NoSuchUpload", "404"):
                raise

    repeat("abort an upload to", uri, ask)
