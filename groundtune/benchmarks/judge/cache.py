"""Replies that were paid for, one JSON file each, on disk or S3: a killed run asks only what it had not heard yet."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from groundtune import storage
from groundtune.benchmarks.judge.verdict import Reply
from groundtune.errors import StorageError


class ReplyCache:
    """Replies by the digest of all that determines them. Files appear whole or not at all; a damaged one counts as
    absent and is written anew."""

    def __init__(self, place: str):
        self.place = place

    def get(self, key: str) -> Reply | None:
        """The reply, or None. Raises StorageError when the place cannot be reached."""
        uri = self._uri(key)
        if not storage.exists(uri):
            return None
        try:
            entry = json.loads(storage.read_bytes(uri))
        except ValueError:  # not JSON, or not UTF-8
            return None
        except StorageError:
            if storage.exists(uri):
                raise
            return None  # deleted between the two looks
        if not isinstance(entry, dict) or entry.get("key") != key or not _is_reply(entry.get("reply")):
            return None
        return Reply(**entry["reply"])

    def put(self, key: str, reply: Reply) -> None:
        """Raises StorageError when the place cannot be written."""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(json.dumps({"key": key, "reply": asdict(reply)}).encode())
            file.flush()
            storage.publish_file(Path(file.name), self._uri(key))

    def _uri(self, key: str) -> str:
        return storage.join(self.place, f"{key[:2]}/{key}.json")


def default_place() -> str:
    """Below GROUNDTUNE_STATE, which outlives a pod; else below this machine's GROUNDTUNE_CACHE."""
    return storage.join(storage.state_root() or str(storage.cache_root()), "judge")


def _is_reply(value: object) -> bool:
    example = asdict(Reply(""))
    return (
        isinstance(value, dict)
        and value.keys() == example.keys()
        and all(type(value[name]) is type(example[name]) for name in example)
    )
