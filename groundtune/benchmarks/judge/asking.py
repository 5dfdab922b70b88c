"""The judge: many requests at once, replies kept, verdicts in the order of the requests."""

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from groundtune.benchmarks.judge.accounting import Account
from groundtune.benchmarks.judge.cache import ReplyCache, default_place
from groundtune.benchmarks.judge.client import Client
from groundtune.benchmarks.judge.endpoint import Endpoint
from groundtune.benchmarks.judge.protocol import decoding, without_reasoning
from groundtune.benchmarks.judge.run import Run
from groundtune.benchmarks.judge.verdict import JudgeRequest, Reply, Verdict
from groundtune.digests import digest_of
from groundtune.progress import Progress
from groundtune.settings.judge import JudgeSettings

STAGE = "judge"
_WINDOW = 16  # requests in memory a thread: the others of a long stream wait where they come from


class Judge:
    """A language model that rates. Replies are kept in a cache, by the digest of everything that determines them."""

    def __init__(self, settings: JudgeSettings):
        self._settings = settings
        self._endpoint = Endpoint(settings)
        self._cache = ReplyCache(settings.cache or default_place())
        self._account = Account(settings)
        self._asking: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._guard = threading.Lock()
        self._sent = {"requests": 0, "retries": 0}

    @property
    def identity(self) -> dict[str, Any]:
        """What was asked for: model and decoding. The same before and after asking, and after a restart."""
        return {
            "model": self._settings.model,
            "decoding": decoding(self._settings),
            "malformed_attempts": self._settings.malformed_attempts,
        }

    @property
    def served(self) -> dict[str, list[str]]:
        """What answered, in the server's own words, replies out of the cache included; complete once all was asked."""
        return {
            "served_as": sorted(self._account.models),
            "system_fingerprints": sorted(self._account.fingerprints),
        }

    @property
    def usage(self) -> dict[str, Any]:
        """Requests, retries, replies, tokens and cost of this run, and how many replies came out of the cache."""
        return {**self._sent, **self._account.figures()}

    def ask(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """A verdict a request, in their order, with a bar of progress. Raises what `ask_each` raises."""
        progress = Progress(STAGE, len(requests), "verdicts")
        verdicts = []
        for verdict in self.ask_each(requests):
            verdicts.append(verdict)
            (progress.skip if verdict.cached else progress.add)(1)
        return verdicts

    def ask_each(self, requests: Iterable[JudgeRequest]) -> Iterator[Verdict]:
        """The same as a stream: a few requests a thread are in memory.

        Raises JudgeError that names the record and the last problem: at once when no request can succeed (wrong
        address, model or key; three records in a row failed for good), else after all the others were asked, so that
        they are in the cache and a restart asks only for what is missing. No verdict is given after a failed record.
        """
        run = Run(self._settings, self._endpoint)
        threads = ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix=STAGE)
        window = _WINDOW * self._settings.concurrency
        waiting: deque[Future[Verdict | None]] = deque()
        try:
            for request in requests:
                waiting.append(threads.submit(self._judged, run, request))
                while len(waiting) >= window:
                    verdict = run.collected(waiting.popleft())
                    if verdict is not None:
                        yield verdict
            while waiting:
                verdict = run.collected(waiting.popleft())
                if verdict is not None:
                    yield verdict
        finally:
            run.pace.stop()
            threads.shutdown(wait=True, cancel_futures=True)
            self._sent["requests"] += run.client.requests
            self._sent["retries"] += run.client.retries
        run.raise_failures()

    def _judged(self, run: Run, request: JudgeRequest) -> Verdict | None:
        """In a thread. None: the record failed, and `run` knows it."""
        with run.watched():
            verdict = self._judge(run.client, request)
            run.succeeded(verdict)
            return verdict
        return None

    def _judge(self, client: Client, request: JudgeRequest) -> Verdict:
        """Asks until a reply can be read, at most 1 + malformed_attempts times."""
        prompt_tokens = completion_tokens = 0
        all_cached = True
        reply, problem = Reply(""), ""
        for attempt in range(1 + self._settings.malformed_attempts):
            reply, cached = self._reply(client, request, attempt)
            prompt_tokens += reply.prompt_tokens
            completion_tokens += reply.completion_tokens
            all_cached &= cached
            if reply.flaw in ("filtered", "too long"):  # the same question gets the same refusal
                problem = _PROBLEMS[reply.flaw]
                break
            rating = request.read(without_reasoning(reply.content))
            if rating is not None:
                return Verdict(reply.content, rating, prompt_tokens, completion_tokens, all_cached)
            problem = _PROBLEMS[reply.flaw]
        self._account.add_malformed()
        return Verdict(reply.content, None, prompt_tokens, completion_tokens, all_cached, problem)

    def _reply(self, client: Client, request: JudgeRequest, attempt: int) -> tuple[Reply, bool]:
        """(reply, whether it came out of the cache). Equal requests wait for each other and are paid for once."""
        key = self._key(request, attempt)
        with self._lock_of(key):
            reply = self._cache.get(key)
            cached = reply is not None
            if reply is None:
                reply = client.complete(request.record_id, request.messages, attempt)
                self._cache.put(key, reply)
        self._account.add(reply, cached)
        return reply, cached

    def _key(self, request: JudgeRequest, attempt: int) -> str:
        return digest_of(
            {
                "protocol": "chat-completions-1",
                "server": self._endpoint.address,
                "model": self._settings.model,
                "messages": [dict(message) for message in request.messages],
                "decoding": decoding(self._settings, attempt),
                "attempt": attempt,
            }
        )

    def _lock_of(self, key: str) -> Any:
        with self._guard:
            return self._asking.setdefault(key, threading.Lock())


_PROBLEMS = {
    "": "no verdict can be read out of the reply",
    "truncated": "the reply was cut at judge.max_tokens before a verdict",
    "filtered": "the server's content filter withheld the reply",
    "too long": "the question does not fit the judge's context",
}


def load_judge(settings: JudgeSettings) -> Judge | None:
    """The judge, or None when `base_url` is empty. Raises SettingError when the key's variable is not set."""
    return Judge(settings) if settings.base_url else None
