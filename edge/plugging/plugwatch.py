"""Know what is plugged in, and tell when that changes.

udev tells at once where it runs (pyudev's socket in the event loop); beside it, or alone, a cheap look at the
folders of sysfs. What is there is then read in a short-lived thread, because the kernel may let a reader wait for a
device that is being set up.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import logs
from edge.plugging.plugged import Plugged
from edge.plugging.sysfs import SUBSYSTEMS, UDEV_CONTROL, listing, scan

_SETTLE_S = 0.01  # one plug is a dozen messages
_APART_S = 0.05  # between two looks, however often somebody pulls and plugs
_POLL_S = (0.5, 2.0)  # without udev, and beside it
_PATIENCE_S = 10.0
_SLEPT_S = 1.0
_AT_ONCE = 256
_log = logs.get("plugs")


def _slept_s() -> float:
    """Return how long this PC has been suspended since it was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


@dataclass(frozen=True)
class Change:
    """What came and went between two looks. Unplugged and plugged in again meanwhile stands in both."""

    added: tuple[Plugged, ...]
    removed: tuple[Plugged, ...]
    since: float
    """When the look before began, on the monotonic clock."""
    began: float
    """When this look began."""


class PlugWatch:
    """Watches from :meth:`start` to :meth:`stop`; everything but the reading happens in the event loop."""

    def __init__(
        self,
        changed: Callable[[Change], None],
        *,
        root: Path = Path("/"),
        look: Callable[[], Sequence[Plugged]] | None = None,
        picture: Callable[[], Mapping[str, int]] | None = None,
        resumed: Callable[[], None] = lambda: None,
        slept_s: Callable[[], float] = _slept_s,
    ) -> None:
        self.found: tuple[Plugged, ...] | None = None
        """What is plugged in; ``None``: nobody has looked yet."""
        self.listening = False
        """Whether udev's messages are heard; else there is only polling."""
        self._changed, self._resumed = changed, resumed
        self._slept_s = slept_s
        self._root = root
        self._look = look or (lambda: scan(root=root))
        self._picture = picture or (lambda: listing(root))
        self._monitor: Any = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looking_since: float | None = None
        self._looked_at = 0.0
        self._again = False
        self._stopped = False

    def start(self) -> None:
        """Begin, in the running event loop. The first look is told as a change."""
        self._loop = asyncio.get_running_loop()
        self._begin_look(self._read_first)
        self._task = self._loop.create_task(self._poll(), name="plugs")

    def stop(self) -> None:
        """Stop watching. Idempotent."""
        self._stopped = True
        self._deafen()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def look_soon(self) -> None:
        """Look again now, or right after the look that is under way."""
        if self._looking_since is not None:
            self._again = True
        elif self._timer is None and not self._stopped:
            self._timer = self._loop.call_later(_SETTLE_S, self._begin_look)

    def _heard(self) -> None:
        """Take what udev says; only that something changed matters."""
        try:
            for _ in range(_AT_ONCE):
                if self._monitor.poll(0) is None:
                    break
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # then only some messages were lost
                _log.warning("udev is not heard any more; polling", extra={"fields": {"code": "SYS-132"}})
                self._deafen()
        self.look_soon()

    def _deafen(self) -> None:
        if self.listening:
            self.listening = False
            self._loop.remove_reader(self._monitor.fileno())
        self._monitor = None

    async def _poll(self) -> None:
        """Look for what udev did not tell, or all of it where there is no udev."""
        seen, told, slept_s = self._picture(), False, self._slept_s()
        while True:
            udev = self.listening and (self._root / UDEV_CONTROL).exists()
            await asyncio.sleep(_POLL_S[udev])
            if (now := self._picture()) != seen:
                seen = now
                self.look_soon()
            if self._slept_s() - slept_s > _SLEPT_S:
                self._resumed()
            slept_s = self._slept_s()
            hung = self._looking_since is not None and time.monotonic() - self._looking_since > _PATIENCE_S
            if hung and not told:
                _log.warning(
                    "looking at what is plugged in hangs: a device does not finish its set-up",
                    extra={"fields": {"code": "SYS-133", "action": "unplug what was plugged in last"}},
                )
            told = hung

    def _begin_look(self, read: Callable[[], None] | None = None) -> None:
        self._timer, self._again = None, False
        self._looking_since = time.monotonic()
        threading.Thread(target=read or self._read, name="plugs", daemon=True).start()

    def _read_first(self) -> None:
        """Listen, so that nothing is missed from now on, and look. Loading pyudev takes its time."""
        monitor = _monitor()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._listen, monitor)
        self._read()

    def _listen(self, monitor: Any) -> None:
        if monitor is not None and not self._stopped:
            self._monitor, self.listening = monitor, True
            self._loop.add_reader(monitor.fileno(), self._heard)

    def _read(self) -> None:
        """Look, in a thread of its own."""
        found = self._look()
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._take, tuple(found))

    def _take(self, found: tuple[Plugged, ...]) -> None:
        began, self._looking_since = self._looking_since or 0.0, None
        if self._stopped:
            return
        since, self._looked_at = self._looked_at, began
        first, before = self.found is None, self.found or ()
        self.found = found
        if self._again:
            self._timer = self._loop.call_later(_APART_S, self._begin_look)
        added = tuple(one for one in found if one not in before)
        removed = tuple(one for one in before if one not in found)
        if added or removed or first:
            self._changed(Change(added, removed, since, began))


def _monitor() -> Any:
    """Return a pyudev monitor of our subsystems; ``None`` without the package or without its socket."""
    try:
        import pyudev  # type: ignore[import-untyped]  # an extra
    except ImportError:
        return None
    try:
        monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        for subsystem in SUBSYSTEMS:
            monitor.filter_by(subsystem)
        monitor.start()
    except (ImportError, OSError, ValueError):  # no libudev, or no socket of it
        return None
    return monitor
