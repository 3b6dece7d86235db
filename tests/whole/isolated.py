"""Devices that are pulled, hung, killed and flooded beside one that must not notice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest

Deed = Callable[[WindowUnderTest], None]
BACK_S = 20.0


@dataclass(frozen=True)
class Victim:
    """A device and what is done to it; every deed is over when the device may recover."""

    name: str
    driver: str
    faults: Mapping[str, Deed]
    lines: str = ""
    model: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def worker_of(window: WindowUnderTest, device: str) -> int | None:
    """Return the process id of a device's worker."""
    assert window.process is not None
    for pid in children_of(window.process.pid):
        with suppress(OSError):  # it has ended meanwhile
            if device.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    return None


def children_of(pid: int) -> list[int]:
    """Return the children of a process; threads may end while we look."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def does(*lines: str) -> Deed:
    """Return the deed of some scenario lines."""

    def deed(window: WindowUnderTest) -> None:
        for line in lines:
            window.bench.do(line)

    return deed


def kills(device: str, number: signal.Signals) -> Deed:
    """Return the deed of a signal to a device's worker; the daemon has to replace it."""

    def deed(window: WindowUnderTest) -> None:
        pid = wait_until(lambda: worker_of(window, device), BACK_S, f"{device} has a worker")
        os.kill(pid, number)
        wait_until(lambda: worker_of(window, device) not in (pid, None), BACK_S, f"{device} has another worker")

    return deed


def pulled(device: str, out: str = "unplug", back: str = "plug") -> Deed:
    """Return the deed of a cable that is pulled until the daemon has noticed, and put back."""

    def deed(window: WindowUnderTest) -> None:
        window.bench.do(f"{device} {out}")
        wait_until(lambda: state(window, device) not in ("ready", "busy"), BACK_S, f"{device} is missed")
        window.bench.do(f"{device} {back}")

    return deed


def state(window: WindowUnderTest, device: str) -> str:
    """Return what the device's retained status says."""
    topic, messages = f"{BASE}/device/{device}/status", window.tap.messages
    for number in range(len(messages) - 1, -1, -1):  # the last one only: reading all would slow what is measured here
        if messages[number][0] == topic:
            return str(json.loads(messages[number][1])["state"])
    return "unknown"


def in_process(device: str) -> dict[str, Deed]:
    """Return what can happen to a driver in a process of its own."""
    return {"hung": kills(device, signal.SIGSTOP), "crashed": kills(device, signal.SIGSEGV)}


VICTIMS = (
    Victim(
        "card-1",
        "card_pcsc",
        {
            "unplugged": pulled("card-1", "reader unplug", "reader plug"),
            "flooding": does(*["card-1 insert storage", "card-1 remove"] * 50),
            **in_process("card-1"),
        },
    ),
    Victim(
        "scanner-1",
        "scanner_escl",
        {"unplugged": pulled("scanner-1"), **in_process("scanner-1")},
    ),
    Victim(
        "camera-1",
        "camera_uvc",
        {"unplugged": pulled("camera-1"), **in_process("camera-1")},
    ),
    Victim(
        "gun-2",
        "code_serial",
        {"unplugged": pulled("gun-2"), "flooding": does("gun-2 flood 1000 rate=1000")},
        'content = "public"',
    ),
    Victim(
        "id-1",
        "idcard_sdt",
        {
            "unplugged": pulled("id-1"),
            "hung": does("id-1 mute 2"),
            "flooding": does("id-1 garbage 4000 times=5", "wait 2"),
        },
        model="idcard_usb",
    ),
    Victim(
        "pad-1",
        "pad_hid",
        {"unplugged": pulled("pad-1"), "flooding": does("pad-1 flood 500")},
        'profile = "hid_keys"',
        model="pad_hid",
        options={"kind": "keys"},
    ),
)


def figures(pid: int) -> tuple[int, int, int]:
    """Return how many descriptors, threads and children a process has."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), len(tasks), len(children_of(pid))
