"""Requests and settings that the tests of this room share."""

import re
from pathlib import Path
from typing import Any

from groundtune.benchmarks.judge import JudgeRequest
from groundtune.settings import JudgeSettings
from tests.scripted_judge import ScriptedJudge


def settings_of(server: ScriptedJudge | str, cache: Path | str, **given: Any) -> JudgeSettings:
    """A judge without a key that waits milliseconds where the default waits seconds."""
    quick = {"api_key_variable": "", "backoff_base": 0.01, "backoff_limit": 0.05, "timeout": 5.0, "model": "tiny"}
    url = server if isinstance(server, str) else server.url
    return JudgeSettings(base_url=url, cache=str(cache), **(quick | given))


def read_rating(reply: str) -> str | None:
    found = re.findall(r"rating: (\d)", reply.lower())
    return found[0] if len(found) == 1 else None


def request(name: str) -> JudgeRequest:
    return JudgeRequest(name, ({"role": "user", "content": f"How good is {name}?"},), read_rating)


def requests_for(count: int) -> list[JudgeRequest]:
    return [request(f"answer-{number}") for number in range(count)]
