"""What a judge is asked, what it replied, what was read out of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, Any]


@dataclass(frozen=True)
class JudgeRequest:
    """One question to the judge. record_id names the record in errors; messages: the chat, role and content each.

    read: the judge's reply -> what it says (text), None when that cannot be read out of it; such a reply is asked for
    again.
    """

    record_id: str
    messages: tuple[Message, ...]
    read: Callable[[str], str | None]


@dataclass(frozen=True)
class Reply:
    """One reply of the server.

    flaw: "" or why the reply is not whole: "truncated", "filtered" (the server withheld it), "too long" (the question
    does not fit the judge's context). model, fingerprint: what the server says it is, "" when it does not say.
    usage: whether it counted tokens.
    """

    content: str
    flaw: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    fingerprint: str = ""
    usage: bool = True


@dataclass(frozen=True)
class Verdict:
    """What came of one request. rating: None when no reply could be read (malformed); `problem` then says why.

    Tokens are those of all replies to this request, cached: none of them was paid for by this run.
    """

    reply: str
    rating: str | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False
    problem: str = ""
