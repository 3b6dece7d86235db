"""A real browser without a window, driven over its DevTools pipe: no library, no port.

One JSON message each way, ended by a zero byte (https://chromedevtools.github.io/devtools-protocol).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.support.wait import wait_until

PROGRAM = "chromium"
_FLAGS = (
    "--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
    "--disable-sync", "--metrics-recording-only", "--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb",
    "--font-render-hinting=none", "--accept-lang=zh-CN,zh",
    "--disable-lcd-text", "--no-pings", "--password-store=basic", "--renderer-process-limit=1",
    "--disable-features=Translate,MediaRouter,OptimizationHints,InterestFeedContentSuggestions",
)  # fmt: skip
_ANSWER_S = 20.0
_END_S = 10.0
_KEYS = {"Tab": 9, "Enter": 13, " ": 32}
_TROUBLE = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
A4_IN = (8.27, 11.69)


class BrowserError(AssertionError):
    """The browser refuses what it is told, or has ended."""


class Chromium:
    """The browser's process, with one tab. A context manager; *folder* is for its profile."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise AssertionError("chromium is not installed: run `make test`, or apt-get install chromium")
        self._log = folder / "chromium.log"
        self.complaints: list[str] = []
        """What the browser said of the page: errors, refused contents, whatever a script threw or wrote."""
        self._number = 0
        self._rest = b""
        self._read, theirs = os.pipe()
        mine, self._write = os.pipe()
        try:
            self._pid = _spawn(program, folder, mine, theirs)
        finally:
            os.close(mine)
            os.close(theirs)
        self._session: str | None = None
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """End it, with its children."""
        self._session = None
        try:
            self.tell("Browser.close")
        except BrowserError:
            os.kill(self._pid, signal.SIGKILL)
        finally:
            wait_until(lambda: os.waitpid(self._pid, os.WNOHANG)[0] == self._pid, _END_S, "the browser has ended")
            os.close(self._read)
            os.close(self._write)

    # -- the page -----------------------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Go to *url* and wait until it is loaded."""
        self.tell("Page.navigate", url=url)
        self.until(
            f"document.readyState === 'complete' && location.href === {json.dumps(url)}", what=f"{url} is loaded"
        )

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        done = self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise BrowserError(f"{script}: {done['exceptionDetails']['exception'].get('description')}")
        return done["result"].get("value")

    def until(self, script: str, deadline_s: float = 10.0, what: str = "") -> Any:
        """Wait until the expression is true; return its value. While a page changes it cannot be asked."""

        def found() -> Any:
            with contextlib.suppress(BrowserError):
                return self.run(script)

        return wait_until(found, deadline_s, what or script)

    def text(self, selector: str = "body") -> str:
        """Return the text that can be seen there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def key(self, key: str) -> None:
        """Press a key, as a person does."""
        text = {"text": "\r"} if key == "Enter" else {"text": key} if key == " " else {}
        code = {"key": key, "windowsVirtualKeyCode": _KEYS[key]}
        self.tell("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **code)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the page so many pixels."""
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )  # fmt: skip

    def picture(self) -> bytes:
        """Return what can be seen as a PNG."""
        return base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"])

    def printed(self) -> bytes:
        """Return the PDF of the page, on A4."""
        width, height = A4_IN
        done = self.tell(
            "Page.printToPDF", paperWidth=width, paperHeight=height, preferCSSPageSize=True, printBackground=True
        )
        return base64.b64decode(done["data"])

    # -- the pipe -----------------------------------------------------------------------------------

    def tell(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command; return its result."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._heard(lambda heard: heard.get("id") == self._number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _heard(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + _ANSWER_S
        while True:
            message, zero, self._rest = self._rest.partition(b"\0")
            if zero:
                heard: dict[str, Any] = json.loads(message)
                self._note(heard)
                if wanted(heard):
                    return heard
                continue
            self._rest = message
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                said = self._log.read_text(encoding="utf-8", errors="replace")[-800:]
                raise BrowserError(f"the browser {'has ended' if ready else 'does not answer'}: {said}")
            self._rest += part

    def _note(self, heard: dict[str, Any]) -> None:
        if heard.get("method") in _TROUBLE:
            params = heard["params"]
            entry = params.get("entry") or {"level": params.get("type"), "text": json.dumps(params)[:500]}
            if entry["level"] not in ("debug", "verbose", "info"):
                self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")


def _spawn(program: str, folder: Path, reads: int, writes: int) -> int:
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # it refuses to run as root with it
    command = [program, *_FLAGS, *root, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    log = os.fsencode(folder / "chromium.log")
    # The two pipes come from above 4, for 0 to 2 are taken and a test has files open: nothing is overwritten.
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, reads, 3),
        (os.POSIX_SPAWN_DUP2, writes, 4),
    ]
    return os.posix_spawn(program, command, {**os.environ, "HOME": str(folder)}, file_actions=actions)
