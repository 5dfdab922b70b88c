"""The shapes in which the field keeps preferences, brought into one: id, image, instruction, chosen, rejected.

RLHF-V: `text` holds JSON with question, chosen and rejected; `idx`; `image` as a struct of bytes and path. RLAIF-V: the
same, with flat columns. TRL: `prompt`, `chosen`, `rejected` as texts or as lists of messages, `images` with one image.
"""

import json
from typing import Any

from groundtune.errors import RecordError

Raw = dict[str, Any]
_MAGIC = {b"\x89PNG": "png", b"\xff\xd8": "jpg", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}


def in_our_words(fields: Raw, place: str) -> Raw:
    """The row under our names; columns that nothing here knows are left out of account. Raises RecordError.

    `image` stays a reference, or becomes the bytes of an embedded image.
    """
    row = {key: value for key, value in fields.items() if value is not None}
    identity = str(row.get("id", row.get("idx", place)))
    if "id" not in row and ("idx" in row or "chosen" in row):
        row["id"] = row.get("idx", place)  # TRL's sets number their rows by their place only
    text = row.get("text")
    if text is not None and not row.keys() & {"instruction", "question", "prompt"}:
        row |= _packed(text, identity, place)
    for name in ("question", "prompt"):
        if "instruction" not in row and name in row:
            row["instruction"] = _said(row[name], name, identity, place)
    for name in ("chosen", "rejected"):
        if name in row:
            row[name] = _said(row[name], name, identity, place)
    if "image" not in row and "images" in row:
        row["image"] = _only_image(row["images"], identity, place)
    row["image"] = _picture(row.get("image"), row.get("image_path"))
    return row


def checked_preference(row: Raw, identity: str, place: str) -> tuple[str, str]:
    """(chosen, rejected), both "" when there is none. Raises RecordError for half a preference, or equal answers."""
    sides = {name: row.get(name, "") for name in ("chosen", "rejected")}
    for name, text in sides.items():
        if not isinstance(text, str):
            raise RecordError(identity, name, f"is {repr(text)[:200]}, expected a string", place)
    chosen, rejected = (text.strip() for text in sides.values())
    if bool(chosen) != bool(rejected):
        missing = "rejected" if chosen else "chosen"
        raise RecordError(identity, missing, "is missing or empty, but the other answer is given", place)
    if chosen and chosen == rejected:
        raise RecordError(identity, "rejected", "is the same answer as `chosen`: nothing to prefer", place)
    return chosen, rejected


def suffix_of(content: bytes) -> str:
    """File name ending of an embedded image by its first bytes."""
    return next((ending for magic, ending in _MAGIC.items() if content.startswith(magic)), "image")


def _packed(text: Any, identity: str, place: str) -> Raw:
    """RLHF-V keeps question and answers as JSON in one column."""
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        problem = f"is not JSON with question, chosen and rejected ({error}), and there is no instruction"
        raise RecordError(identity, "text", problem, place) from None
    if not isinstance(value, dict):
        raise RecordError(identity, "text", f"is a {type(value).__name__}, expected question, chosen, rejected", place)
    return {name: value[name] for name in ("question", "chosen", "rejected") if name in value}


def _said(value: Any, name: str, identity: str, place: str) -> Any:
    """A text, or the text of a conversation's only message (TRL); an `<image>` mark in front is taken out."""
    if isinstance(value, list):
        if len(value) != 1 or not isinstance(value[0], dict) or "content" not in value[0]:
            raise RecordError(identity, name, f"has {len(value)} messages, expected one with `content`", place)
        content = value[0]["content"]
        if isinstance(content, list):
            content = "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and part.get("text"))
        value = content
    return value.replace("<image>", "", 1).strip() if isinstance(value, str) else value


def _only_image(value: Any, identity: str, place: str) -> Any:
    if not isinstance(value, list) or len(value) != 1:
        count = len(value) if isinstance(value, list) else repr(value)
        raise RecordError(identity, "images", f"holds {count} images, expected a list of exactly one", place)
    return value[0]


def _picture(value: Any, path: Any) -> Any:
    """Embedded bytes before a path: the path of a dataset's struct is where the image once was."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    return path if value is None and isinstance(path, str) else value
