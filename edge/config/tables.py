"""The tables of the configuration file, as types; what no type can say is in :mod:`edge.config.rules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge.commands import permits
from edge.config.rules import RESERVED_HALLS, parse_broker
from edge.driver import Driver, Settings
from edge.errors import Problem
from edge.links.address import Address

_WORD = "[a-z0-9-]{1,32}"
Name = Annotated[str, Meta(pattern=rf"\A{_WORD}\Z", description="1 to 32 of a-z, 0-9 and -")]
HallName = Annotated[
    str,
    Meta(
        pattern=rf"\A(?!(?:{'|'.join(RESERVED_HALLS)})\Z){_WORD}\Z",
        description=f"1 to 32 of a-z, 0-9 and -, but not {' or '.join(RESERVED_HALLS)}",
    ),
]
DeviceName = Annotated[str, Meta(pattern=rf"\A(?!window\Z){_WORD}\Z", description="as a window's, but not window")]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Folder = Annotated[str, Meta(pattern=r"\A/[ -~]{1,80}\Z", description="an absolute path, at most 80 characters")]
Mode = Literal["live", "simulated", "maintenance"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables in the file."""


class Window(_Table, frozen=True, kw_only=True):
    """``[window]``: which window this is, and what may run on it."""

    hall: HallName
    window: Name
    lab: bool = False
    allow_drivers: tuple[Text, ...] = ()


class Paths(_Table, frozen=True, kw_only=True):
    """``[paths]``: where the daemon keeps its store and its socket."""

    state: Folder = ""
    run: Folder = ""

    def resolved(self, environ: Mapping[str, str]) -> Paths:
        """Return the paths with systemd's directories, or the usual ones, where the file names none."""
        state, run = (environ.get(name, "").partition(":")[0] for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"))
        return Paths(state=self.state or state or "/var/lib/hall-edge", run=self.run or run or "/run/hall-edge")


class Mqtt(_Table, frozen=True, kw_only=True):
    """``[mqtt]``: the broker. Files are paths here, wherever they came from."""

    url: str
    ca: str | None = None
    crl: str | None = None
    certificate: str | None = None
    certificate_name: Text | None = None
    key: str | None = None
    username: Text | None = None
    password_file: str | None = None
    keepalive_s: Annotated[int, Meta(ge=1, le=300)] = 5
    window: Annotated[int, Meta(ge=1, le=2000)] = 200

    def broker(self) -> tuple[str, int, bool]:
        """Return host, port and whether TLS is used."""
        return parse_broker(self.url)


class Log(_Table, frozen=True, kw_only=True):
    """``[log]``."""

    level: Literal["error", "warning", "info", "debug", "traffic"] = "info"
    format: Literal["text", "json"] = "text"


class Blobs(_Table, frozen=True, kw_only=True):
    """``[blobs]``: how much disk pictures may use, and how much of it must stay free for all else. In 10^6 bytes."""

    max_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 2048
    reserve_mb: Annotated[int, Meta(ge=0, le=1_000_000)] = 512


class OutboxTable(_Table, frozen=True, kw_only=True):
    """``[outbox]``: how much disk events may use, and how much of it must stay free then. In 10^6 bytes."""

    max_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 1024
    reserve_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 64


class Retention(_Table, frozen=True, kw_only=True):
    """``[retention]``: how long events are kept that nobody confirms: classes 0 and 1, class 2, class 3."""

    public_days: Annotated[int, Meta(ge=1, le=365)] = 30
    personal_days: Annotated[int, Meta(ge=1, le=90)] = 7
    sensitive_hours: Annotated[int, Meta(ge=1, le=720)] = 24


class Page(_Table, frozen=True, kw_only=True):
    """``[page]``: the status page, on this PC only."""

    enabled: bool = True
    port: Annotated[int, Meta(ge=1024, le=65535)] = 8630


class Subscriber(_Table, frozen=True, kw_only=True):
    """``[[subscriber]]``: a back office whose acknowledgements count; ``key`` is its public JWK's or JWK Set's path."""

    name: Name
    key: str | None = None


class Sealing(_Table, frozen=True, kw_only=True):
    """``[sealing]``: a foreign package that seals instead of us (``edge.sealing.provider``)."""

    provider: Text = "jose"
    package: Text | None = None


class Commands(_Table, frozen=True, kw_only=True):
    """``[commands]``: what may be asked for; a requester's own ``allow`` stands for this one."""

    allow: tuple[Text, ...] = permits.DEFAULT


class Requester(_Table, frozen=True, kw_only=True):
    """``[[requester]]``: whose signed requests are taken, and then no others; ``key`` is a public JWK's path."""

    name: Name
    key: str
    allow: tuple[Text, ...] | None = None


class DeviceTable(_Table, frozen=True, kw_only=True):
    name: DeviceName
    driver: str
    address: str
    mode: Mode = "live"
    enabled: bool = True


class Document(_Table, frozen=True, kw_only=True):
    window: Window
    mqtt: Mqtt
    paths: Paths = Paths()
    log: Log = Log()
    blobs: Blobs = Blobs()
    outbox: OutboxTable = OutboxTable()
    retention: Retention = Retention()
    page: Page = Page()
    commands: Commands = Commands()
    requester: Annotated[tuple[Requester, ...], Meta(max_length=16)] = ()
    sealing: Sealing = Sealing()
    subscriber: Annotated[tuple[Subscriber, ...], Meta(max_length=16)] = ()
    device: Annotated[tuple[dict[str, Any], ...], Meta(max_length=64)] = ()


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """``[[device]]`` with its driver's class and that driver's own settings."""

    name: str
    driver: str
    driver_type: type[Driver]
    address: Address
    mode: Mode
    enabled: bool
    settings: Settings
    personal: bool
    """Whether its events carry a person's data, and so need sealing."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole valid configuration; ``warnings`` are for the log and the self-test."""

    window: Window
    mqtt: Mqtt
    paths: Paths
    log: Log
    blobs: Blobs
    outbox: OutboxTable
    retention: Retention
    sealing: Sealing
    page: Page
    commands: Commands
    requesters: tuple[Requester, ...]
    subscribers: tuple[Subscriber, ...]
    devices: tuple[Device, ...]
    warnings: tuple[Problem, ...] = ()
    file: str = ""
