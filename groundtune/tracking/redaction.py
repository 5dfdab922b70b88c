"""What must never be stored: values of credential variables, and user:password@ in URIs."""

import os
import re
from pathlib import Path

HIDDEN = "***"

# a part of a variable's name, between underscores; TOKENIZERS_PARALLELISM and PWD are no credentials
_PARTS = re.compile(r"(^|_)(SECRETS?|TOKEN|\w*PASSWORD|PASSWD|CREDENTIALS?|APIKEY|KEY|KEY_ID|AUTHORIZATION)$", re.I)
_SHORTEST = 4  # characters; hiding shorter values would blank out ordinary words, and they protect nothing
_ORDINARY = {"true", "false", "none", "null"}
_USER_INFO = re.compile(r"(?<=://)[^/\s@\"'<>]+@")
_QUERY = re.compile(r"([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|token|sig|password)=)[^&\s\"'<>]+", re.I)
_TEXT_FILES = {".csv", ".html", ".json", ".jsonl", ".log", ".md", ".txt", ".yaml", ".yml"}
_LARGEST_TEXT = 32 << 20  # bytes


def looks_secret(name: str) -> bool:
    """True for names such as AWS_SECRET_ACCESS_KEY, MLFLOW_TRACKING_TOKEN, judge_api_key."""
    return bool(_PARTS.search(name))


def scrub(text: str) -> str:
    """The text without the values of credential variables, URI user parts and signed query parameters."""
    values = {
        value
        for name, value in os.environ.items()
        if looks_secret(name) and len(value) >= _SHORTEST and value.lower() not in _ORDINARY
    }
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = _USER_INFO.sub(f"{HIDDEN}@", text)
    return _QUERY.sub(rf"\1{HIDDEN}", text)


def scrub_named(name: str, text: str) -> str:
    """As `scrub`; a word under a credential-like name goes whole. Numbers stay: `token_budget` is no secret."""
    if looks_secret(name):
        try:
            float(text)
        except ValueError:
            return HIDDEN
    return scrub(text)


def scrubbed_copy(file: Path, folder: Path) -> Path:
    """`file` itself, or a cleaned copy in `folder` when it is a text file that holds something to hide."""
    if file.suffix.lower() not in _TEXT_FILES or file.stat().st_size > _LARGEST_TEXT:
        return file
    text = file.read_text(errors="replace")
    clean = scrub(text)
    if clean == text:
        return file
    copy = folder / file.name
    copy.write_text(clean)
    return copy
