"""What tests of plugging and unplugging do and see in a whole window."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.support.plugboard import PlugBoard, UsbDevice
from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest


def since(window: WindowUnderTest, heard: int, device: str, *states: str) -> bool:
    topic, wanted = f"{BASE}/device/{device}/status", [f'"state":"{state}"'.encode() for state in states]
    heard_since = [payload for at, payload, _ in window.tap.messages[heard:] if at == topic]
    return any(one in payload for payload in heard_since for one in wanted)


def last(window: WindowUnderTest, device: str) -> dict[str, Any]:
    return window.tap.on(f"device/{device}/status")[-1]


def device_of(event: dict[str, Any]) -> str:
    return str(event["source"]).rpartition(":")[2]


def wait_code(window: WindowUnderTest, device: str, code: str | None) -> dict[str, str]:
    def told() -> dict[str, str] | None:
        now = last(window, device)
        return now if (now["state"], now.get("code")) == ("ready", code) else None

    return wait_until(told, 10, f"{device} is ready with {code}: {last(window, device)}")


def replug(
    window: WindowUnderTest, board: PlugBoard, name: str, path: Path, old: UsbDevice, new: UsbDevice,
    *, by_path: bool = False,
) -> list[float]:  # fmt: skip
    """Pull *name* out and plug it in again as *new*; return how long until it was absent, and ready again."""
    heard, pulled = len(window.tap.messages), time.monotonic()
    window.bench.do(f"{name} unplug")
    board.unplug(old)
    wait_until(lambda: since(window, heard, name, "absent", "attention"), 10, f"{name} is absent")
    gone = time.monotonic() - pulled
    window.bench.do(f"{name} plug")
    heard, plugged = len(window.tap.messages), time.monotonic()
    board.plug(new, path, by_path=by_path)
    wait_until(lambda: since(window, heard, name, "ready"), 10, f"{name} is ready again")
    return [gone, time.monotonic() - plugged]
