"""Where the judge listens, and the key: held here, sent from here, taken out of every text that leaves here."""

import os
import re
from typing import Any
from urllib.parse import urlsplit

from groundtune.errors import SettingError
from groundtune.settings.judge import JudgeSettings

_VERSION = re.compile(r"v\d+((alpha|beta)\d*)?")  # a path segment: /v1, /v1beta, /paas/v4
_COMPLETIONS = "/chat/completions"
HIDDEN = "***"


def normal_address(base_url: str) -> str:
    """The address below which /models and /chat/completions lie: "http://host:8000" and "http://host:8000/v1/" are
    the same server."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/").removesuffix(_COMPLETIONS).rstrip("/")
    if not any(_VERSION.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"


class Endpoint:
    """Address and key of one judge. Raises SettingError when the key's variable is not set, or holds no key."""

    def __init__(self, settings: JudgeSettings):
        self.address = normal_address(settings.base_url)
        self._key = _key(settings.api_key_variable)

    @property
    def completions(self) -> str:
        return self.address + _COMPLETIONS

    @property
    def models(self) -> str:
        return f"{self.address}/models"

    def __call__(self, request: Any) -> Any:
        """Signs a request, as `auth` of requests. It is given without a key too: requests would otherwise take
        credentials of that host out of ~/.netrc."""
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    @property
    def has_key(self) -> bool:
        return bool(self._key)

    def without_key(self, text: str) -> str:
        """A server may quote the key it refuses; nothing of it goes into an error, a log or the cache."""
        return text.replace(self._key, HIDDEN) if self._key else text

    def __repr__(self) -> str:
        return f"Endpoint({self.address})"


def _key(variable: str) -> str:
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        expected = "an environment variable that holds the judge's key, or '' for a server without keys"
        raise SettingError("judge.api_key_variable", variable, f"{expected}; it is not set")
    if not key.isascii() or not key.isprintable() or " " in key:
        expected = "a variable whose value is one printable ASCII word; its value has blanks or other characters"
        raise SettingError("judge.api_key_variable", variable, expected)
    return key
