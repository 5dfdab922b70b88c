"""What is in the store: listings, and deleting."""

import hashlib
import json
from typing import Any

from groundtune.storage.connection import client
from groundtune.storage.parallel import in_parallel
from groundtune.storage.places import is_mark, split_s3
from groundtune.storage.retrying import repeat
from groundtune.storage.unfinished import abort_below


def listing(uri: str) -> dict[str, list[Any]]:
    """name below the prefix -> [size, ETag]; without the empty objects by which some tools mark a folder."""
    return {name: found for name, found in _all_below(uri).items() if name and not name.endswith("/")}


def _all_below(uri: str) -> dict[str, list[Any]]:
    bucket, key = split_s3(uri)
    prefix = key.rstrip("/") + "/" if key else ""

    def ask() -> dict[str, list[Any]]:
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {
            item["Key"][len(prefix) :]: [item["Size"], item["ETag"]]
            for page in pages
            for item in page.get("Contents", [])
        }

    return repeat("list", uri, ask)


def listing_digest(uri: str) -> str:
    """sha256 (hex) of a prefix's listing (names, sizes, ETags): changes with the content, reads none of it."""
    return hashlib.sha256(json.dumps(listing(uri), sort_keys=True).encode()).hexdigest()


def is_object(uri: str) -> bool:
    """True when exactly this object is there. By listing, which tells a missing bucket from a missing object."""
    bucket, key = split_s3(uri)
    answer = repeat("look up", uri, lambda: client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1))
    found = answer.get("Contents", [])
    return bool(found) and found[0]["Key"] == key


def delete(uri: str) -> None:
    """Delete an object, everything below it as a prefix (marks first), and the uploads to both that nobody finished."""
    bucket, key = split_s3(uri)
    base = f"{key.rstrip('/')}/" if key else ""
    names = list(_all_below(uri))

    def ask(one: str) -> None:
        repeat("delete", uri, lambda: client().delete_object(Bucket=bucket, Key=one))

    in_parallel(ask, [base + name for name in names if is_mark(name)])
    in_parallel(ask, [base + name for name in names if not is_mark(name)] + ([key] if key else []))
    abort_below(uri)
