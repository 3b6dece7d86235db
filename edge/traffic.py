"""All that is said on one device's link, for whoever records it. Nothing is kept but the replaced opening."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from edge import logs
from edge.driver import Driver, Settings
from edge.errors import EdgeError
from edge.events import Params
from edge.recording import Said, opening_lines
from edge.substitute import Substitute

_MOST_OPENING = 64 << 10  # bytes
_log = logs.get("record")


def substitute_of(driver: type[Driver], settings: Settings) -> Callable[[], Substitute] | None:
    """Return what makes a substitute for a device with this *driver*; ``None``: its traffic is not recorded."""
    kind = driver.substitute or (Substitute if driver.public_traffic else None)
    return kind and functools.partial(kind, settings)


class Begins(NamedTuple):
    """A job of the driver begins; *command* is nothing for what only gives way to others, as a self-test does."""

    at: float
    command: Params | None


class Ends(NamedTuple):
    """It has ended."""


Happening = Said | Begins | Ends


class Traffic:
    """One link's. What notes it runs in the lane's thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.make: Callable[[], Substitute] | None = None
        """Makes what replaces personal data; ``None``: this device is not recorded."""
        self.ear: Callable[[Happening], None] | None = None
        """Hears everything. Must be quick."""
        self.working = False
        """Whether a job of the driver is under way."""
        self.opening: list[str] | None = None
        """The lines of what was said when the device was opened; ``None``: not known."""
        self._opening: list[Said] | None = []

    def said(self, sign: Any, data: bytes) -> None:
        """Note bytes that were read or written."""
        if self.ear is None and self._opening is None:
            return
        said = Said(self.now(), sign, data)
        if self._opening is not None and self.make is not None:
            self._opening.append(said)
        if self.ear is not None:
            self.ear(said)

    def opened(self) -> None:
        """Forget how the device was opened, but for the replaced lines. Called in the event loop."""
        opening, self._opening = self._opening, None
        if opening is None or self.make is None or sum(len(said.data) for said in opening) > _MOST_OPENING:
            return
        try:
            self.opening = opening_lines(self.make(), opening) if opening else []
        except EdgeError as error:
            _log.error(error.message, extra={"fields": {"code": error.code}})
        except Exception as error:  # noqa: BLE001  # whatever a driver's substitute raises: the device works without
            _log.error("the driver's substitute failed", exc_info=error, extra={"fields": {"code": "REC-107"}})

    def begins(self, command: Params | None) -> None:
        """Note that a job begins."""
        self.working = True
        if self.ear is not None:
            self.ear(Begins(self.now(), command))

    def ends(self) -> None:
        """Note that it has ended."""
        self.working = False
        if self.ear is not None:
            self.ear(Ends())
