"""What the checks look at: the configuration, the store, the devices, and the daemon's own parts where it runs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge.errors import StoreError
from edge.selftest.model import Level
from edge.selftest.who import shown

if TYPE_CHECKING:
    from edge.announce import Announcer
    from edge.blobs.desk import BlobDesk
    from edge.config import Config
    from edge.delivery.publisher import Publisher
    from edge.delivery.replays import Replays
    from edge.devices import Devices
    from edge.health import HealthWatch
    from edge.store.outbox import Outbox


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked for on the control socket, beside the verb."""

    level: Level = "internal"
    devices: tuple[str, ...] = ()
    """Only these; none named: all, and the window itself."""
    by: str = ""
    """Who asks, for whoever wants to test at the same time."""
    version: str = ""
    """The version of the program that asks."""

    def who(self) -> str:
        """Return who asks, fit to be shown."""
        return shown(self.by)


@dataclass(frozen=True)
class Live:
    """The parts of the running daemon."""

    publisher: Publisher
    replays: Replays
    blobs: BlobDesk
    announcer: Announcer
    health: HealthWatch


@dataclass(frozen=True)
class Outside:
    """The PC around the program; tests have another one."""

    root: Path = Path("/")
    systemctl: str = "systemctl"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One window, now."""

    wanted: Wanted
    config: Config
    file: str
    """The configuration's file."""
    load: Callable[[], Config]
    """Reads it anew."""
    devices: Devices
    outbox: Outbox | None
    no_store: StoreError | None = None
    """Why there is no *outbox*."""
    live: Live | None = None
    """``None``: the daemon does not run."""
    daemon: bool = False
    """Whether the running daemon tests; it may be without a store, and then without its *live* parts."""
    echo: Callable[[str], object] | None = None
    """Has the running daemon publish its status again, with a mark. Any thread."""
    outside: Outside = field(default_factory=Outside)

    @property
    def state(self) -> Path:
        """The state folder."""
        return Path(self.config.paths.state)


def host() -> str:
    """Return this PC's name."""
    return socket.gethostname()
