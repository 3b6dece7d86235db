"""Ends a daemon that hangs, so that systemd starts a healthy one: nothing accepted is lost by that.

Fed by proof of progress, not by a timer: the event loop turns, the store answers, every connection's thread comes
back to its connection, every device is looked after by the watch of its lane (a driver that hangs is that watch's
business: it is abandoned and replaced). Where one of them makes none for 15 s, the stacks of all threads (files, lines
and names of functions, no values) go to ``stalled.txt`` in the state folder and the process ends. The alarm itself is C
code (:mod:`faulthandler`) and needs nothing of the interpreter: it also ends one whose lock a library never gives back.

systemd is told that all is well only when it is. Its patience (``WatchdogSec=``) is longer than ours, so that the
stacks are kept: it is for what even the alarm cannot end.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge import logs
from edge.problems import Problems, problem
from edge.wire import HealthProblem

if TYPE_CHECKING:
    from edge.delivery.connection import Connection
    from edge.store.outbox import Outbox

STALLED = "stalled.txt"
"""The stacks of a daemon that hangs; ``stalled.last`` in the run that follows."""
LIMIT_S = 15.0
STORE_LIMIT_S = 30.0  # a disk may take long
_LOOK_S = 2.0
EXIT_STALLED = 1
_KEPT_BYTES = 64 * 1024
_log = logs.get("watchdog")


class Watchdog:
    """Watches the daemon from :meth:`run` on, until :meth:`stop`."""

    def __init__(
        self, path: Path, outbox: Outbox, connections: Mapping[str, Connection],
        lanes: Callable[[], Mapping[str, float]], problems: Problems,
        *, clock: Callable[[], float] = time.monotonic, end: Callable[[int], object] = os._exit,
    ) -> None:  # fmt: skip
        """*path* is where the stacks go; *lanes* tells when each device was last looked after."""
        self.fed: Callable[[], None] = lambda: None
        """Called whenever everything moves."""
        self.look_s = _LOOK_S
        """How often that is looked at."""
        self._outbox, self._connections, self._lanes, self._problems = outbox, connections, lanes, problems
        self._clock, self._end = clock, end
        self._looked_at = clock()
        self._awake_s = 0.0
        self._seen: dict[str, tuple[float, float]] = {}
        self._dump = path.open("w", encoding="utf-8")
        self._asked: Future[None] | None = None
        self._asked_at = 0.0

    async def run(self) -> None:
        """Feed the alarm as long as everything moves."""
        while True:
            faulthandler.dump_traceback_later(LIMIT_S, exit=True, file=self._dump)
            if (what := self.stalled()) is not None:
                _log.error("a part of the daemon hangs: it ends", extra={"fields": {"code": "SYS-151", "hung": what}})
                faulthandler.dump_traceback(self._dump)
                self._end(EXIT_STALLED)
            else:
                self.fed()
            await asyncio.sleep(self.look_s)

    def stop(self) -> None:
        """End the watch."""
        faulthandler.cancel_dump_traceback_later()
        self._dump.close()

    def stalled(self) -> str | None:
        """Return the name of the part that makes no progress, if there is one."""
        now = self._clock()
        if self._asked is None or self._asked.done():
            self._asked, self._asked_at = self._outbox.call(lambda _db: None), now
        self._problems.store_silent_s = now - self._asked_at
        if now - self._asked_at > STORE_LIMIT_S:
            return "the store"
        for name, connection in self._connections.items():
            moved = connection.moved
            if moved is not None and now - moved > LIMIT_S:
                return name
        return self._unwatched(now)

    def _unwatched(self, now: float) -> str | None:
        """Return the name of a device that nobody looks after any more.

        Time counts only while this loop turns, for their watches live in it, too: after it stood still, all are late.
        """
        self._awake_s += min(now - self._looked_at, 2 * self.look_s)
        self._looked_at = now
        moves = self._lanes()
        self._seen = {name: seen for name, seen in self._seen.items() if name in moves}
        for name, moved in moves.items():
            seen = self._seen.get(name)
            if seen is None or seen[0] != moved:
                self._seen[name] = (moved, self._awake_s)
            elif self._awake_s - seen[1] > LIMIT_S:
                return name
        return None


def stalled_at(path: Path) -> str | None:
    """Return when the daemon that wrote *path* hung; ``None``: it did not."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(int(status.st_mtime), UTC).isoformat() if status.st_size else None


def last_stall(path: Path) -> tuple[HealthProblem, ...]:
    """Return that the run before was ended by the watchdog, if it was, and keep its stacks as ``*.last``."""
    when = stalled_at(path)
    if when is None:
        return ()
    path.with_suffix(".last").write_bytes(path.read_bytes()[:_KEPT_BYTES])
    told = problem("SYS-151", when=when)
    _log.error(told.message, extra={"fields": {"code": told.code, "action": told.action}})
    return (told,)
