"""A real headless Chromium, driven through its DevTools protocol: keys, taps, screenshots, downloads.

websocket-client comes with the Kubernetes client; Debian's package `chromium` is the browser.
"""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from websocket import WebSocket, create_connection

NAMES = ("chromium", "chromium-browser", "google-chrome")
_CODES = {"Backspace": 8, "Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}
_TEXTS = {"Enter": "\r"}


def browser_or_skip() -> str:
    """The browser's path. Skips the test, with a sentence that says what to install, where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("NO BROWSER: pages were not tried in one; apt-get install chromium (or set it on the PATH)")
    return found


@dataclass
class Page:
    """One tab. Every call waits for the browser's answer."""

    socket: WebSocket
    requests: list[str] = field(default_factory=list)  # what the page asked the network for, but for file: and data:
    errors: list[str] = field(default_factory=list)  # uncaught exceptions and messages of level error
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            self._note(message)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:")):
                self.requests.append(url)
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])

    def open(self, file: Path) -> None:
        self.call("Page.navigate", url=file.resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def reload(self) -> None:
        self.evaluate("window.__old = true")
        self.call("Page.reload")
        self.wait("!window.__old && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20.0) -> None:
        """Until the expression is true."""
        until = time.monotonic() + seconds
        while True:
            try:
                if self.evaluate(expression):
                    return
            except RuntimeError:  # the page is just being replaced
                pass
            if time.monotonic() > until:
                raise TimeoutError(f"not true after {seconds} s: {expression}")
            time.sleep(0.05)

    def key(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key as a keyboard does."""
        text = _TEXTS.get(key, key if len(key) == 1 else "")
        code = _CODES.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        down = {"type": "keyDown", "text": text} if text and not modifiers else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **down, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """A mouse click on the middle of the element, wherever it is on the screen."""
        place = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'nearest'});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def text(self, selector: str) -> str:
        """The visible text of an element."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def device(self, width: int, height: int, *, scale: float = 1.0, mobile: bool = False, dark: bool = False) -> None:
        """The window's size in CSS pixels, and the colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media="screen", features=scheme)

    def screenshot(self, file: Path, whole: bool = False) -> Path:
        """whole: the page in its full length instead of the window."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))
        return file

    def downloads(self, folder: Path) -> None:
        """Where saved files go."""
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder.resolve()))


@contextmanager
def chromium() -> Iterator[Page]:
    """A fresh profile and one tab; both are gone afterwards."""
    binary = browser_or_skip()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        process = subprocess.Popen([binary, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            page = Page(create_connection(_tab(process, Path(profile)), timeout=60))
            for domain in ("Page", "Runtime", "Network", "Log"):
                page.call(f"{domain}.enable")
            yield page
            page.socket.close()
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tab(process: subprocess.Popen[bytes], profile: Path) -> str:
    """Address of the first tab's socket."""
    file = profile / "DevToolsActivePort"
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"chromium ended with {process.returncode} before it could be used")
        if file.is_file() and (lines := file.read_text().splitlines()):
            tabs = requests.get(f"http://127.0.0.1:{lines[0]}/json/list", timeout=20).json()
            for tab in tabs:
                if tab["type"] == "page":
                    return str(tab["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise TimeoutError("chromium did not open its debugging port within 60 s")
