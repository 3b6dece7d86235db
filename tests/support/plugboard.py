"""USB ports for tests: devices are plugged in and pulled out under a real libudev, without root and kernel.

umockdev shows them in sysfs and sends udev's messages. Behind a serial node stands the pseudo-terminal of a
simulator, so whoever opens ``/dev/ttyUSB0`` speaks to that. Only programs started with :attr:`PlugBoard.env` see it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

_HOST = ["umockdev-wrapper", "/usr/bin/python3", str(Path(__file__).with_name("umock_host.py"))]
_BUS = "/devices/pci0000:00/0000:00:14.0/usb1"


@dataclass(frozen=True)
class UsbDevice:
    """What a device says of itself, and where it is plugged in."""

    port: str = "1-1.4"
    ids: str = "1a86:7523"
    serial: str | None = None
    maker: str = "QinHeng"
    product: str = "USB Serial"
    tty: str | None = "ttyUSB0"
    """The name of its serial node; ``None``: it has none."""
    interface: str = "ff0102"
    """Class, subclass and protocol of its only interface."""

    @property
    def path(self) -> str:
        parts = self.port.partition("-")[2].split(".")
        hubs = [f"1-{'.'.join(parts[:depth])}" for depth in range(1, len(parts) + 1)]
        return f"{_BUS}/{'/'.join(hubs)}"

    @property
    def interface_path(self) -> str:
        return f"{self.path}/{self.port}:1.0"

    @property
    def tty_path(self) -> str:
        return f"{self.interface_path}/{self.tty}/tty/{self.tty}"

    def records(self, number: int) -> str:
        """Return the device as umockdev reads it; *number* is the kernel's for this time."""
        vendor, product = self.ids.split(":")
        kind, subclass, protocol = (self.interface[at : at + 2] for at in (0, 2, 4))
        usb = (
            f"P: {self.path}\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nA: bDeviceClass=00\n"
            f"A: idVendor={vendor}\nA: idProduct={product}\nA: manufacturer={self.maker}\nA: product={self.product}\n"
            f"A: busnum=1\nA: devnum={number}\n"
        )
        interface = (
            f"P: {self.interface_path}\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\nA: bInterfaceNumber=00\n"
            f"A: bInterfaceClass={kind}\nA: bInterfaceSubClass={subclass}\nA: bInterfaceProtocol={protocol}\n"
        )
        parts = [usb + f"A: serial={self.serial}\n" if self.serial else usb, interface]
        if self.tty:
            parts.append(
                f"P: {self.tty_path}\nE: SUBSYSTEM=tty\nL: device=../../../{self.tty}\nE: DEVNAME=/dev/{self.tty}\n"
            )
        return "\n".join(parts)

    @property
    def paths(self) -> list[str]:
        """Return its paths in the order in which they appear."""
        tty = [self.tty_path] if self.tty else []
        return [f"/sys{path}" for path in (self.path, self.interface_path, *tty)]

    @property
    def told(self) -> list[str]:
        """Return the paths of which udev tells: umockdev ends when more messages wait than a socket takes, ten."""
        return [path for path in self.paths if not path.endswith(":1.0")]


class PlugBoard:
    """Use it as a context manager. Any thread may plug."""

    def __init__(self) -> None:
        self._host = subprocess.Popen(_HOST, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.root = Path(self._answer()["root"])
        self.env = {"LD_PRELOAD": "libumockdev-preload.so.0", "UMOCKDEV_DIR": str(self.root)}
        self.udev = True
        """Whether udev tells of what happens; else only sysfs shows it."""
        self._number = 1
        self._one_order = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._host.stdin is not None
        assert self._host.stdout is not None
        with self._host.stdout, contextlib.suppress(BrokenPipeError):
            self._host.stdin.close()
        self._host.wait(10)

    def plug(self, device: UsbDevice, line: Path | None = None, *, by_path: bool = False) -> None:
        """Plug *device* in; *line* is what stands behind its serial node, *by_path* gives that a stable name too."""
        self._number += 1
        records = device.records(self._number)
        if device.tty and line is not None:
            self._link(Path("dev", device.tty), line)
            if by_path:
                name = f"serial/by-path/usb-{device.port}-port0"
                self._link(Path("dev", name), line)
                records = records.replace("E: DEVNAME=/dev/tty", f"E: DEVLINKS=/dev/{name}\nE: DEVNAME=/dev/tty")
        self._order(records=records, tell=device.told if self.udev else [])

    def unplug(self, device: UsbDevice) -> None:
        """Pull *device* out: its nodes lead nowhere.

        They stay, for umockdev aborts a program that looks at a link in the moment in which it is removed.
        """
        for name in (device.tty or "-", f"serial/by-path/usb-{device.port}-port0"):
            if (self.root / "dev" / name).is_symlink():
                self._link(Path("dev", name), Path("unplugged"))
        self._order(remove=device.paths[::-1], tell=device.told if self.udev else [])

    def _link(self, name: Path, target: Path) -> None:
        link = self.root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        new = link.with_name(f".{link.name}")
        new.symlink_to(target)
        new.replace(link)

    def _order(self, **order: object) -> None:
        assert self._host.stdin is not None
        with self._one_order:
            self._host.stdin.write(json.dumps(order) + "\n")
            self._host.stdin.flush()
            self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._host.stdout is not None
        line = self._host.stdout.readline()
        assert line, f"umockdev ended with {self._host.wait(5)}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture
def plugboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlugBoard]:
    """A board; programs that the test starts from now on see it, the test itself does not."""
    with PlugBoard() as board:
        for name, value in board.env.items():
            monkeypatch.setenv(name, value)
        yield board
