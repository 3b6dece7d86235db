"""What the retained topics say about windows and their devices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from edge.subscriber.errors import WireError

_USABLE = ("ready", "busy")
_DEVICE_STATUS_LEVELS = 3


class Device(msgspec.Struct, kw_only=True):
    """A device's retained status."""

    state: str
    epoch: int
    reason: str | None = None
    code: str | None = None
    since: str | None = None


class Status(msgspec.Struct, kw_only=True):
    """A window's retained status."""

    state: str
    epoch: int
    boot: str | None = None
    version: str | None = None
    since: str | None = None
    lab: bool = False
    key: dict[str, Any] | None = None


class Confirmed(msgspec.Struct, kw_only=True):
    """How far one subscriber has acknowledged."""

    upto_seq: str


class Kept(msgspec.Struct, kw_only=True):
    """How many events the window keeps."""

    depth: int | None = None


class Health(msgspec.Struct, kw_only=True):
    """What a subscriber needs of a window's health."""

    epoch: int
    head_seq: str | None = None
    outbox: Kept = msgspec.field(default_factory=Kept)
    subscribers: dict[str, Confirmed] = {}


class Window:
    """One window as its retained topics show it; changes as they change."""

    def __init__(self, hall: str, name: str) -> None:
        self.hall, self.name = hall, name
        self.status: Status | None = None
        self.devices: dict[str, Device] = {}

    @property
    def online(self) -> bool:
        return self.status is not None and self.status.state == "online"

    def usable(self, device: str) -> bool:
        """Return whether *device* can be used now: the contract's three conditions."""
        found = self.devices.get(device)
        return (
            self.online and found is not None and found.state in _USABLE and self.status is not None
            and found.epoch == self.status.epoch
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Window {self.hall}/{self.name} {self.status.state if self.status else 'unknown'}>"


class Windows(Mapping[str, Window]):
    """Every window heard of, by ``hall/window``."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._changed = asyncio.Event()

    def __getitem__(self, name: str) -> Window:
        return self._windows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._windows)

    def __len__(self) -> int:
        return len(self._windows)

    async def known(self, name: str) -> Window:
        """Wait until the window's status is known, and return the window."""
        while name not in self or self[name].status is None:
            self._changed.clear()
            await self._changed.wait()
        return self[name]

    def feed(self, hall: str, name: str, rest: str, payload: bytes) -> None:
        """Take a retained ``status`` or ``device/{device}/status``; raises :class:`WireError`."""
        window = self._windows.setdefault(f"{hall}/{name}", Window(hall, name))
        levels = rest.split("/")
        if rest == "status":
            window.status = decoded(payload, Status) if payload else None
        elif len(levels) == _DEVICE_STATUS_LEVELS and levels[0] == "device" and levels[2] == "status":
            if payload:
                window.devices[levels[1]] = decoded(payload, Device)
            else:
                window.devices.pop(levels[1], None)
        self._changed.set()


def decoded(payload: bytes, kind: type[msgspec.Struct]) -> Any:
    """Return *payload* as *kind*; raises :class:`WireError`."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise WireError(f"a retained message that is no {kind.__name__}") from None
