"""One chat completion over HTTP, asked again while asking again can help."""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from groundtune.benchmarks.judge.endpoint import Endpoint
from groundtune.benchmarks.judge.protocol import BrokenReply, body, error_words, read_reply
from groundtune.benchmarks.judge.retry import RETRIED, Pace, backoff, retry_after
from groundtune.benchmarks.judge.verdict import Message, Reply
from groundtune.errors import JudgeError
from groundtune.settings.judge import JudgeSettings

_CONNECT = 10.0  # seconds
_LARGEST = 8 << 20  # bytes of a reply; a judge writes a page at most
_ADVICE = {
    400: "check judge.model and judge.extra_body",
    401: "check the key in the variable that judge.api_key_variable names",
    403: "check the rights of the key in the variable that judge.api_key_variable names",
    404: "check judge.base_url and judge.model",
}
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_FILTERED = ("content_filter", "content_policy_violation")
_TOO_LONG = ("context_length_exceeded", "maximum context length", "max_model_len", "context window")


class Fatal(JudgeError):
    """No request of this run can succeed: the rest is not asked."""


class Client:
    """Posts requests for any number of threads. `requests` counts what was sent, `retries` what was sent again."""

    def __init__(self, settings: JudgeSettings, endpoint: Endpoint, pace: Pace):
        self._settings, self._endpoint, self._pace = settings, endpoint, pace
        self._sessions = threading.local()
        self._lock = threading.Lock()
        self.requests = self.retries = 0

    def complete(self, record_id: str, messages: Sequence[Message], attempt: int) -> Reply:
        """Raises JudgeError (this record, after max_attempts), Fatal (wrong address, model or key), Stopped."""
        sent = json.dumps(body(self._settings, messages, attempt)).encode()
        problem = ""
        for failures in range(self._settings.max_attempts):
            if failures:
                self._pace.sleep(backoff(self._settings, failures))
            self._pace.wait_for_turn()
            with self._lock:
                self.requests += 1
                self.retries += failures > 0
            try:
                status, headers, data = self._post(sent)
                if status == 200:
                    return self._clean(read_reply(data))
                refusal = self._refused(record_id, status, headers, data)
            except (BrokenReply, requests.RequestException, HTTPError, OSError) as error:
                problem = self._endpoint.without_key(_words(error, self._settings.timeout))
                continue
            if isinstance(refusal, Reply):
                return refusal
            problem = refusal
        raise JudgeError(
            f"no reply from {self._endpoint.address} in {self._settings.max_attempts} attempts "
            f"(judge.max_attempts); the last problem: {problem}",
            record_id,
        )

    def _post(self, sent: bytes) -> tuple[int, Any, bytes]:
        """(status, headers, body). The whole reply must be there in time: a timeout of requests would only limit the
        wait for the next byte."""
        deadline = time.monotonic() + self._settings.timeout
        with self._session().post(
            self._endpoint.completions,
            data=sent,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            auth=self._endpoint,
            timeout=(min(_CONNECT, self._settings.timeout), self._settings.timeout),
            stream=True,
            allow_redirects=False,  # a redirected POST becomes a GET
        ) as response:
            data = bytearray()
            while piece := response.raw.read1(1 << 16, decode_content=True):
                data += piece
                if time.monotonic() > deadline:
                    raise requests.Timeout("its body came too slowly")
                if len(data) > _LARGEST:
                    raise BrokenReply(f"the reply is longer than {_LARGEST >> 20} MiB")
            return response.status_code, response.headers, bytes(data)

    def _refused(self, record_id: str, status: int, headers: Any, data: bytes) -> str | Reply:
        """What is wrong, when asking again may help; a reply that says so, when only this record cannot be judged.
        Raises Fatal."""
        code, said = error_words(data)
        problem = self._endpoint.without_key(f"the server answered {status}: {said}")
        if status in (400, 413, 422):
            words = f"{code} {said}".lower()
            if any(word in words for word in _FILTERED):
                return Reply("", flaw="filtered")
            if status == 413 or any(word in words for word in _TOO_LONG):
                return Reply("", flaw="too long")
        if status not in RETRIED or code in _SPENT:
            advice = "the quota of this key is spent" if code in _SPENT else _ADVICE.get(status, _ADVICE[404])
            raise Fatal(f"{problem}; {advice} ({self._endpoint.address})", record_id)
        wait = retry_after(headers.get("Retry-After"))
        if wait is not None:
            if wait > self._settings.longest_wait:
                longest = f"longer than judge.longest_wait ({self._settings.longest_wait:g} s)"
                raise Fatal(f"{problem}; it asks to wait {wait:.0f} s, {longest}: run again later", record_id)
            self._pace.pause(wait)
        return problem

    def _clean(self, reply: Reply) -> Reply:
        clean = self._endpoint.without_key
        return Reply(clean(reply.content), reply.flaw, reply.prompt_tokens, reply.completion_tokens,
                     clean(reply.model), clean(reply.fingerprint), reply.usage)  # fmt: skip

    def _session(self) -> requests.Session:
        if not hasattr(self._sessions, "mine"):
            self._sessions.mine = requests.Session()
        session: requests.Session = self._sessions.mine
        return session


def _words(error: Exception, timeout: float) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return f"no whole reply within {timeout:g} s (judge.timeout): {error}"
    if isinstance(error, BrokenReply):
        return str(error)
    return f"the connection failed (judge.base_url): {error}"
