"""Is the judge there, does it know the model and the key? Found out in seconds, before GPU hours are spent."""

import json
import time
from dataclasses import replace

import requests

from groundtune.benchmarks.judge.client import Client
from groundtune.benchmarks.judge.endpoint import Endpoint
from groundtune.benchmarks.judge.retry import Pace
from groundtune.errors import JudgeError
from groundtune.settings.judge import JudgeSettings

_SOON = 10.0  # seconds
_LONGEST_LIST = 16 << 20  # bytes
_ONE_TOKEN = 60.0  # seconds; a local server may load the model for its first reply


def check(settings: JudgeSettings) -> None:
    """Raises JudgeError or SettingError that names judge.base_url, judge.model or judge.api_key_variable.

    Where no key is needed, a list of models that has the model's name is enough. Else one token of chat decides: some
    servers show their list to anybody, whatever the key, and a local server may list other names than it serves.
    Without base_url nothing is checked.
    """
    if not settings.base_url:
        return
    endpoint = Endpoint(settings)
    try:
        status, data = _models(endpoint)
    except requests.RequestException as error:
        words = endpoint.without_key(str(error))
        raise JudgeError(f"nothing answers at {endpoint.address}: {words}; check judge.base_url") from error
    if status in (401, 403):
        variable = settings.api_key_variable or "empty, so no key was sent"
        raise JudgeError(
            f"{endpoint.address} answered {status} to the key; check judge.api_key_variable ({variable})"
        )
    if status == 200 and settings.model in _names(data) and not endpoint.has_key:
        return
    short = replace(settings, timeout=min(settings.timeout, _ONE_TOKEN), max_attempts=min(settings.max_attempts, 2),
                    backoff_limit=1.0, longest_wait=5.0, max_tokens=1)  # fmt: skip
    hello = ({"role": "user", "content": "Say yes."},)
    Client(short, endpoint, Pace(0)).complete("", hello, 0)


def _models(endpoint: Endpoint) -> tuple[int, bytes]:
    """(status, body) of GET /models. What comes too slowly, or is too long for a list of models, is cut off."""
    deadline = time.monotonic() + _SOON
    with requests.get(endpoint.models, auth=endpoint, timeout=_SOON, allow_redirects=False, stream=True) as answer:
        data = bytearray()
        while piece := answer.raw.read1(1 << 16, decode_content=True):
            data += piece
            if time.monotonic() > deadline or len(data) > _LONGEST_LIST:
                break
        return answer.status_code, bytes(data)


def _names(data: bytes) -> set[str]:
    """Model names of GET /models; empty when the body is something else."""
    try:
        listed = json.loads(data)["data"]
        return {str(model["id"]) for model in listed}
    except (ValueError, KeyError, TypeError):
        return set()
