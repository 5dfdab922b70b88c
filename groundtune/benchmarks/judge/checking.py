"""Is the judge there, does it know the model and the key? Found out in seconds, before GPU hours are spent."""

from dataclasses import replace

import requests

from groundtune.benchmarks.judge.client import Client
from groundtune.benchmarks.judge.endpoint import Endpoint
from groundtune.benchmarks.judge.retry import Pace
from groundtune.errors import JudgeError
from groundtune.settings.judge import JudgeSettings

_SOON = 10.0  # seconds
_ONE_TOKEN = 60.0  # seconds; a local server may load the model for its first reply


def check(settings: JudgeSettings) -> None:
    """Raises JudgeError or SettingError that names judge.base_url, judge.model or judge.api_key_variable.

    A list of models that has the model's name is enough and costs nothing. Where there is none, or the name is not in
    it (a local server may list other names than it serves), one token of chat decides. Without base_url nothing is
    checked.
    """
    if not settings.base_url:
        return
    endpoint = Endpoint(settings)
    try:
        answer = requests.get(endpoint.models, auth=endpoint, timeout=_SOON, allow_redirects=False)
    except requests.RequestException as error:
        words = endpoint.without_key(str(error))
        raise JudgeError(f"nothing answers at {endpoint.address}: {words}; check judge.base_url") from error
    if answer.status_code in (401, 403):
        variable = settings.api_key_variable or "empty, so no key was sent"
        raise JudgeError(
            f"{endpoint.address} answered {answer.status_code} to the key; check judge.api_key_variable ({variable})"
        )
    if answer.status_code == 200 and settings.model in _names(answer):
        return
    short = replace(settings, timeout=min(settings.timeout, _ONE_TOKEN), max_attempts=min(settings.max_attempts, 2),
                    backoff_limit=1.0, longest_wait=5.0, max_tokens=1)  # fmt: skip
    hello = ({"role": "user", "content": "Say yes."},)
    Client(short, endpoint, Pace(0)).complete("", hello, 0)


def _names(answer: requests.Response) -> set[str]:
    """Model names of GET /models; empty when the body is something else."""
    try:
        listed = answer.json()["data"]
        return {str(model["id"]) for model in listed}
    except (ValueError, KeyError, TypeError):
        return set()
