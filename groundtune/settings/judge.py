"""The settings of the judge: the language model that rates answers where a benchmark's rules ask for one."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from groundtune.errors import SettingError
from groundtune.settings.fields import Settings, setting

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")  # upper case only: a key that was pasted here by mistake does not pass
_OURS = ("messages", "model", "stream", "n")


@dataclass(frozen=True)
class JudgeSettings(Settings):
    """The judge of answers: a server of the OpenAI chat-completions protocol, hosted or local."""

    base_url: str = setting(
        "", "Address of the judge's server, with or without /v1; empty: no judge, and judged metrics are refused."
    )
    model: str = setting("", "Name of the judging model on that server.")
    api_key_variable: str = setting(
        "GROUNDTUNE_JUDGE_API_KEY",
        "Environment variable that holds the key; the key itself is stored nowhere. Empty for a server without keys.",
    )
    concurrency: int = setting(8, "Requests under way at once.", unit="requests", low=1, high=256)
    timeout: float = setting(120.0, "Longest time from a request to its whole reply.", unit="seconds", low=0.1)
    max_attempts: int = setting(
        6, "Tries of one request against 429, 5xx, timeouts, broken connections and broken replies.", low=1
    )
    backoff_base: float = setting(
        1.0, "Wait after the first failed try; it doubles each time, half of it by chance.", unit="seconds", low=0.0
    )
    backoff_limit: float = setting(60.0, "Longest wait of that doubling.", unit="seconds", low=0.0)
    longest_wait: float = setting(
        300.0, "A Retry-After beyond this is a spent quota and stops the run.", unit="seconds", low=0.0
    )
    max_tokens: int = setting(1024, "Longest reply.", unit="tokens", low=1)
    temperature: float = setting(0.0, "Sampling temperature of the judge.", low=0.0, high=2.0)
    seed: int = setting(0, "Seed that is sent along; asking again after a malformed verdict adds 1.", low=0)
    requests_per_minute: int = setting(0, "Most requests a minute; 0 sets no limit.", low=0)
    malformed_attempts: int = setting(2, "How often a reply without a readable verdict is asked for again.", low=0)
    prompt_price: float = setting(0.0, "Price of a million prompt tokens, in your currency.", low=0.0)
    completion_price: float = setting(0.0, "Price of a million completion tokens, in your currency.", low=0.0)
    cache: str = setting(
        "",
        "Folder or s3:// prefix of the replies that were paid for; empty: `judge` below GROUNDTUNE_STATE, else below "
        "GROUNDTUNE_CACHE.",
    )
    extra_body: str = setting(
        "",
        "JSON object of further request fields; null takes one of ours away. For example "
        '\'{"chat_template_kwargs": {"enable_thinking": false}}\' or '
        '\'{"max_tokens": null, "max_completion_tokens": 1024}\'.',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.api_key_variable and not _VARIABLE.fullmatch(self.api_key_variable):
            hidden = f"a text of {len(self.api_key_variable)} characters (not shown: it may be the key itself)"
            expected = "the name of an environment variable in capitals, or empty for a server without keys"
            raise SettingError("api_key_variable", hidden, expected)
        _check_extra(self.extra_body)
        if self.base_url:
            _check_address(self.base_url)
            if not self.model:
                raise SettingError("model", "", "the judging model's name on that server")

    @property
    def further_fields(self) -> dict[str, Any]:
        """`extra_body`, read."""
        return json.loads(self.extra_body) if self.extra_body else {}


def _check_address(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port  # a wrong port raises here
    except ValueError as error:
        raise SettingError("base_url", "not an address", f"http://host:port or https://host ({error})") from error
    if "@" in base_url:  # whatever its form, what stands before it may be a password
        expected = "an address without user and password; keys come from the variable that api_key_variable names"
        raise SettingError("base_url", "***@...", expected)
    if parts.query or parts.fragment:
        raise SettingError("base_url", f"{parts.scheme}://{host}/...?***", "an address without ? and #")
    if parts.scheme not in ("http", "https") or not host or any(character.isspace() for character in base_url):
        raise SettingError("base_url", base_url, "http://host:port or https://host, with or without /v1")


def _check_extra(extra_body: str) -> None:
    if not extra_body:
        return
    try:
        fields = json.loads(extra_body)
    except json.JSONDecodeError as error:
        raise SettingError("extra_body", extra_body, f"a JSON object ({error.msg} at column {error.colno})") from error
    if not isinstance(fields, dict):
        raise SettingError("extra_body", extra_body, "a JSON object")
    for name in _OURS:
        if name in fields:
            raise SettingError("extra_body", extra_body, f"no {name!r}: groundtune sets it")
