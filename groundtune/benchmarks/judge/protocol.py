"""The OpenAI chat-completions protocol: the body of a request, and the reply read out of the server's JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.benchmarks.judge.verdict import Message, Reply
from groundtune.settings.judge import JudgeSettings

# Some servers leave the opening tag in the prompt, so a reply may begin inside the thought.
_THOUGHT = re.compile(r"(?:\A|<think>)(?:(?!<think>).)*?</think>|<think>.*\Z", re.DOTALL)


class BrokenReply(Exception):
    """A 200 whose body is no chat completion; asked for again like a broken connection."""


def decoding(settings: JudgeSettings, attempt: int = 0) -> dict[str, Any]:
    """The request fields that decide a reply, beside model and messages. Every further attempt has a seed of its own:
    a server that honours seeds would only repeat what could not be read."""
    fields: dict[str, Any] = {
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "seed": settings.seed + attempt,
    }
    return {name: value for name, value in (fields | settings.further_fields).items() if value is not None}


def body(settings: JudgeSettings, messages: Sequence[Message], attempt: int) -> dict[str, Any]:
    """The JSON that is posted."""
    chat = [dict(message) for message in messages]
    return {"model": settings.model, "messages": chat, **decoding(settings, attempt)}


def read_reply(data: bytes) -> Reply:
    """The reply in a 200's body. Raises BrokenReply that says what is wrong with it."""
    try:
        completion = json.loads(data)
    except ValueError as error:  # not JSON, or not UTF-8
        raise BrokenReply(f"the reply is not JSON ({error}): {shown(data)}") from error
    choice = _first_choice(completion)
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise BrokenReply(f"the reply's choice has no message: {shown(data)}")
    content = _text(message.get("content"))
    flaw = _flaw(choice, message)
    if content is None:
        if not flaw:
            raise BrokenReply("the reply's content is null")
        content = ""
    usage = completion.get("usage")
    counted = isinstance(usage, Mapping)
    return Reply(
        content=content,
        flaw=flaw,
        prompt_tokens=_count(usage, "prompt_tokens") if counted else 0,
        completion_tokens=_count(usage, "completion_tokens") if counted else 0,
        model=str(completion.get("model") or ""),
        fingerprint=str(completion.get("system_fingerprint") or ""),
        usage=counted,
    )


def without_reasoning(content: str) -> str:
    """What a reasoning model says once it has thought: a rating that it only considered is no verdict. A thought that
    does not end leaves nothing."""
    return _THOUGHT.sub("", content).strip()


def error_words(data: bytes) -> tuple[str, str]:
    """(code, message) of an error's body, as far as it has them; the beginning of the body otherwise."""
    try:
        answer = json.loads(data)
    except ValueError:
        return "", shown(data)
    error = answer.get("error", answer) if isinstance(answer, Mapping) else answer
    if isinstance(error, Mapping):
        code = str(error.get("code") or error.get("type") or "")
        message = error.get("message") or error.get("detail")
        return code, str(message)[:500] if message else shown(data)
    return "", str(error)[:500]


def shown(data: bytes) -> str:
    """The beginning of a body, for an error."""
    return repr(data[:200].decode("utf-8", "replace"))


def _first_choice(completion: Any) -> Mapping[str, Any]:
    if not isinstance(completion, Mapping):
        raise BrokenReply(f"the reply is a {type(completion).__name__}, expected an object")
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        said = completion.get("error")
        raise BrokenReply("the reply has no choices" + (f": {str(said)[:200]}" if said else ""))
    return choices[0]


def _flaw(choice: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    reason = choice.get("finish_reason")
    if reason == "content_filter" or (message.get("refusal") and not message.get("content")):
        return "filtered"
    return "truncated" if reason == "length" else ""


def _text(content: Any) -> str | None:
    """A string, or a list of parts of which the texts count."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    # Half a character ("\\ud83d" alone is valid JSON) could be stored in no file.
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else None


def _count(usage: Any, name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0
