"""A TCP proxy before a real server that does what networks do: slow down, cut, reset, refuse, damage, answer 503.

Counting starts at a connection's first byte, each way for itself; a fault is spent when it strikes, on whichever
connection comes to its byte first.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.servers import free_port

Way = Literal["up", "down"]  # to the server, to the client
_CHUNK = 16384
_BODY = b"<Error><Code>SlowDown</Code><Message>the proxy of the tests says so</Message></Error>"
_HEAD = "HTTP/1.1 503 Busy\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
_BUSY = _HEAD.format(len(_BODY)).encode() + _BODY


@dataclass
class Fault:
    """What strikes at byte `at` of a connection on the given way: an orderly end, a TCP reset, or that byte changed."""

    kind: Literal["cut", "reset", "corrupt"]
    way: Way
    at: int
    times: int = 1


@dataclass
class FaultProxy:
    """Listens on `port`; what it carries it does not understand, TLS or not."""

    server_port: int
    latency: float = 0.0  # seconds before every piece of an answer
    bandwidth: float = 0.0  # bytes a second and connection, either way; 0 is unlimited
    busy: int = 0  # so many requests get 503
    faults: list[Fault] = field(default_factory=list)
    carried: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})  # bytes
    openings: list[bytes] = field(default_factory=list)  # the first piece of every connection, with the request's head
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def accept(self) -> None:
        """Take connections, for the first time or after `refuse`."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Refuse new connections and drop those that are open."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
            self._listener.close()
        with self._lock:
            dropped, self._listener, self._open = self._open, None, []
        for side in dropped:
            _close(side)

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            first = near.recv(_CHUNK)
            with self._lock:
                self.openings.append(first)
                busy, self.busy = self.busy > 0, max(0, self.busy - 1)
            if busy:
                near.sendall(_BUSY)
                _close(near)
                return
            far = socket.create_connection(("127.0.0.1", self.server_port))
        except OSError:
            _close(near)
            return
        with self._lock:
            self._open += [near, far]
        threading.Thread(target=self._pump, args=(far, near, "down", b""), daemon=True).start()
        self._pump(near, far, "up", first)

    def _pump(self, source: socket.socket, sink: socket.socket, way: Way, data: bytes) -> None:
        count = 0
        with contextlib.suppress(OSError):
            data = data or source.recv(_CHUNK)
            while data:
                if way == "down" and self.latency:
                    time.sleep(self.latency)
                if self.bandwidth:
                    time.sleep(len(data) / self.bandwidth)
                fault = self._struck(way, count, len(data))
                if fault is not None and fault.kind == "corrupt":
                    place = fault.at - count
                    data = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
                elif fault is not None:
                    sink.sendall(data[: fault.at - count])
                    for side in (source, sink):
                        _close(side, reset=fault.kind == "reset")
                    return
                sink.sendall(data)
                count += len(data)
                with self._lock:
                    self.carried[way] += len(data)
                data = source.recv(_CHUNK)
        for side in (source, sink):
            _close(side)

    def _struck(self, way: Way, count: int, size: int) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.way == way and fault.times > 0 and count <= fault.at < count + size:
                    fault.times -= 1
                    return fault
        return None


def _close(side: socket.socket, reset: bool = False) -> None:
    with contextlib.suppress(OSError):
        if reset:  # no lingering: the kernel answers with RST
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The thread that reads from it has to let go of it first, or nothing is sent.
        side.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        side.close()


@contextlib.contextmanager
def fault_proxy(server_port: int) -> Iterator[FaultProxy]:
    """A proxy that accepts; refuses at the end."""
    proxy = FaultProxy(server_port)
    proxy.accept()
    try:
        yield proxy
    finally:
        proxy.refuse()
