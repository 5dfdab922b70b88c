"""A judge that rates answers, over the OpenAI chat-completions protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from groundtune.settings import JudgeSettings


@dataclass(frozen=True)
class JudgeRequest:
    """messages: OpenAI chat messages. read: the reply -> a rating, None when it is malformed."""

    record_id: str
    messages: tuple[dict[str, str], ...]
    read: Callable[[str], str | None]


@dataclass(frozen=True)
class Verdict:
    """rating: None when the reply stayed malformed."""

    reply: str
    rating: str | None
    prompt_tokens: int
    completion_tokens: int
    cached: bool


class Judge(Protocol):
    """Replies in the order of the requests."""

    identity: dict[str, Any]

    def ask(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """Raises JudgeError."""


def load_judge(settings: JudgeSettings) -> Judge | None:
    """None when no judge is configured."""
    return None
