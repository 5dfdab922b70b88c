"""A chat-completions server on loopback that behaves as a script says: well, or in every way that servers misbehave.

It speaks real HTTP on a real socket; only what it says is made up.
"""

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Say:
    """One answer. content: the judge's words; body: the whole body instead. delay: seconds before the answer;
    drip: seconds between the bytes of its body. reset: cut the connection in place of an answer."""

    content: str | None = "Rating: 3"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    finish_reason: str = "stop"
    delay: float = 0.0
    drip: float = 0.0
    reset: bool = False
    usage: tuple[int, int] | None = (10, 5)
    fingerprint: str = ""
    model: str = ""


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    key: str
    body: dict[str, Any]
    when: float

    @property
    def text(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])


Script = Callable[[Asked, int], Say]  # the request, and how often its messages were asked before


class ScriptedJudge:
    """`script` may be changed while it runs. asked: every POST, in order; most_at_once: of POSTs under way."""

    def __init__(self, script: Script, models: Say | None = None):
        self.script = script
        self.models = models or Say(status=404, body=b'{"detail": "Not Found"}')
        self.asked: list[Asked] = []
        self.gets: list[str] = []
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, asked: Asked) -> Say:
        with self._lock:
            before = sum(other.body["messages"] == asked.body["messages"] for other in self.asked)
            self.asked.append(asked)
        return self.script(asked, before)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def scripted_judge(script: Script | Say, models: Say | None = None) -> Iterator[ScriptedJudge]:
    """A running server; a single `Say` is its answer to everything."""
    server = ScriptedJudge((lambda asked, before: script) if isinstance(script, Say) else script, models)
    try:
        yield server
    finally:
        server.close()


def _handler(judge: ScriptedJudge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: Any) -> None:
            pass

        def do_GET(self) -> None:
            judge.gets.append(self.path)
            self._say(judge.models)

        def do_POST(self) -> None:
            with judge.under_way(), contextlib.suppress(OSError):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = Asked(self.path, self.headers.get("Authorization", ""), body, time.monotonic())
                self._say(judge.answer(asked), asked)

        def _say(self, say: Say, asked: Asked | None = None) -> None:
            time.sleep(say.delay)
            if say.reset:  # RST in place of an orderly end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            body = say.body if say.body is not None else completion(say, asked)
            self.send_response(say.status)
            for name, value in {"Content-Type": "application/json", **say.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for piece in [body[i : i + 1] for i in range(len(body))] if say.drip else [body]:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(say.drip)

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

    return Handler


def completion(say: Say, asked: Asked | None) -> bytes:
    """The body of a chat completion."""
    answer: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": say.model or (asked.body["model"] if asked else ""),
        "choices": [
            {"index": 0, "finish_reason": say.finish_reason, "message": {"role": "assistant", "content": say.content}}
        ],
    }
    if say.usage:
        prompt, reply = say.usage
        answer["usage"] = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
    if say.fingerprint:
        answer["system_fingerprint"] = say.fingerprint
    return json.dumps(answer).encode()
