"""What is wrong with this window now, in words: a code, what is seen, and one thing to do.

Devices tell their own troubles in their retained status; everything else that a person should know stands here.
An *attention* keeps the window from doing its work, or soon will; a *notice* does not.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from edge import logs
from edge.clock import JumpWatch
from edge.delivery.certificates import Ending, endings
from edge.envelope import ClockWatch
from edge.errors import EdgeError
from edge.wire import HealthProblem

if TYPE_CHECKING:
    from edge.blobs.desk import BlobDesk
    from edge.delivery.publisher import Publisher
    from edge.delivery.replays import LastAck, Replays
    from edge.store.outbox import Outbox

CODES: Mapping[str, str] = {
    "SYS-140": "not connected to the broker yet",
    "SYS-141": "nobody is subscribed to {what}",
    "SYS-142": "the broker refuses {count} events for good",
    "SYS-143": "{who} has not acknowledged for {minutes} minutes while events wait",
    "SYS-144": "{count} pictures or documents cannot be delivered",
    "SYS-145": "the clock is not kept by a time service",
    "SYS-146": "the clock was set by {seconds} s",
    "SYS-147": "lab mode: personal data is sealed to a key of this PC",
    "SYS-148": "this window's state folder was made on another PC",
    "SYS-149": "the store has not answered for {seconds} s",
    "SYS-150": "{count} lines of the log were lost: nobody takes them",
    "SYS-151": "the daemon hung and was ended at {when}",
    "SYS-152": "the disk that holds the store is more than {percent} % full",
    "SYS-153": "{count} events were never confirmed and have expired",
    "SYS-154": "{count} events were damaged on the disk",
    "SYS-155": "the store is an older copy of itself: a back office has events that it never gave out",
    "SYS-160": "the configuration on the disk is refused, and the one before is still in use: {what}",
    "SYS-161": "the configuration on the disk counts only after a restart, because of {what}",
    "SYS-165": "the status page cannot be served on port {port}: {reason}",
}
"""What each code says; see :func:`problem`."""
ACTIONS: Mapping[str, str] = {
    "SYS-140": "wait a few seconds; then check [mqtt] url and the network",
    "SYS-141": "start the back office, or let its identity subscribe to this window's branch",
    "SYS-142": "raise the broker's limits or correct its access list; they are kept until their retention ends",
    "SYS-143": "start it, or see its log; a subscriber that is gone for good has to leave the configuration",
    "SYS-144": "see the log: the broker refuses them, or their file is lost",
    "SYS-145": "switch one on: sudo timedatectl set-ntp true",
    "SYS-146": "check the time service and the PC's clock battery",
    "SYS-147": "set lab = false in [window] before opening",
    "SYS-148": "a cloned PC needs a window name and an empty state folder of its own; after a repair delete {path}",
    "SYS-149": "check the disk that holds it (dmesg, smartctl)",
    "SYS-150": "check what reads the daemon's log (journald), and its disk",
    "SYS-151": "send stalled.last of the state folder to the developers",
    "SYS-152": "free disk space, or add some",
    "SYS-153": "their numbers and ids came as tombstones; start the back office earlier, or lengthen [retention]",
    "SYS-154": "check the disk (dmesg, smartctl); their numbers came as tombstones",
    "SYS-155": "find what puts the disk back (a restored backup, a restore card), and keep the state folder out of it",
    "SYS-160": "correct it, and reload: with this one the daemon would not start; hall-edge check shows all of it",
    "SYS-161": "restart when it suits: sudo systemctl restart hall-edge",
    "SYS-165": "end the program that has the port (ss -ltnp shows it), or give [page] another port and reload",
}
"""The one thing to do."""

SILENT_S = 300.0
"""A registered subscriber for which events wait may be silent for so long."""
STORE_S = 5.0
_NOTICES = frozenset({"SYS-145", "SYS-146", "SYS-147", "SYS-151", "SYS-153", "SYS-161", "SYS-165", "MQT-143"})
_FULL_PERCENT = (95, 80, 50)
_FULL = 95  # from here on somebody is needed
_CERTIFICATES_S = 3600.0
_BRANCHES = {"event": "this window's events", "sealed": "this window's sealed events"}


def problem(code: str, **said: object) -> HealthProblem:
    """Return the problem *code* with *said* in its words."""
    message, action = CODES[code].format(**said), ACTIONS[code].format(**said)
    return HealthProblem(code=code, message=message, action=action, level=_level(code))


def _level(code: str) -> Literal["notice", "attention"]:
    return "notice" if code in _NOTICES else "attention"


def _of(error: EdgeError) -> HealthProblem:
    return HealthProblem(code=error.code, message=error.message, action=error.action)


def _of_ending(ending: Ending) -> HealthProblem:
    return HealthProblem(code=ending.code, message=ending.seen, action=ending.action, level=_level(ending.code))


class WallClock(NamedTuple):
    """Who watches the PC's clock: was it set, does a time service keep it."""

    jumps: JumpWatch
    synced: Callable[[], bool]


class _Silence(NamedTuple):
    """What a subscriber said last, and since when events wait for it."""

    said: LastAck
    heard_at: float | None
    waits_from: float | None


class Problems:
    """Looks at every part of the daemon. For the event loop; takes microseconds, asks neither disk nor network."""

    def __init__(
        self, outbox: Outbox, publisher: Publisher, replays: Replays, blobs: BlobDesk,
        *, certificates: Mapping[str, str | None] | None = None, fixed: tuple[HealthProblem, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        wall: WallClock | None = None,
    ) -> None:  # fmt: skip
        """*certificates* are files by their key in ``[mqtt]``; *fixed* problems are there from the start to the end."""
        self._outbox, self._publisher, self._replays, self._blobs = outbox, publisher, replays, blobs
        self._certificates = certificates or {}
        self._endings: list[HealthProblem] = []
        self._endings_at = float("-inf")
        self._fixed, self._clock = fixed, clock
        self._wall = wall or WallClock(JumpWatch(), ClockWatch().synced)
        self._silence: dict[str, _Silence] = {}
        self.store_silent_s = 0.0
        """For how long the store owes an answer; the watchdog's to write."""
        self.configuration: tuple[HealthProblem, ...] = ()
        """What is wrong with the configuration that was to be loaded last."""
        self.page: tuple[HealthProblem, ...] = ()
        """Why there is no status page."""

    def watch(self, certificates: Mapping[str, str | None]) -> None:
        """Look at these files from now on."""
        self._certificates, self._endings_at = certificates, float("-inf")

    def found(self) -> tuple[HealthProblem, ...]:
        """Return what is wrong now, the gravest first."""
        return (
            *self._store(), *self._link(), *self.configuration, *self._ending(), *self._delivery(), *self._clocks(),
            *self._log(), *self.page, *self._fixed,
        )  # fmt: skip

    def _store(self) -> Iterator[HealthProblem]:
        if self._outbox.failed is not None:
            yield _of(self._outbox.failed)
        elif self.store_silent_s > STORE_S:
            yield problem("SYS-149", seconds=int(self.store_silent_s))

        if self._outbox.room.trouble is not None:
            yield _of(self._outbox.room.trouble)
        if damaged := self._outbox.figures.damaged:
            yield problem("SYS-154", count=damaged)
        if self._replays.foreign_acks:
            yield problem("SYS-155")
        if (percent := self._full_percent()) is not None:
            full = problem("SYS-152", percent=percent)
            yield full if percent >= _FULL else replace(full, level="notice")

    def _full_percent(self) -> int | None:
        """Return which step of the disk's fill is passed."""
        try:
            disk = shutil.disk_usage(self._outbox.path.parent)
        except OSError:  # it is gone: the store will say so
            return None
        used = 100 * disk.used / disk.total
        return next((step for step in _FULL_PERCENT if used > step), None)

    def _ending(self) -> list[HealthProblem]:
        """Return the certificates that end soon; their files are read once an hour."""
        now = self._clock()
        if now - self._endings_at > _CERTIFICATES_S:
            self._endings_at = now
            self._endings = [_of_ending(ending) for ending in endings(self._certificates.items())]
        return self._endings

    def _link(self) -> Iterator[HealthProblem]:
        publisher, bulk = self._publisher, self._blobs.bulk
        if publisher.link == "down":
            yield problem("SYS-140") if publisher.problem is None else _of(publisher.problem)
        elif bulk.begun and bulk.link == "down" and bulk.problem is not None:
            yield _of(bulk.problem)
        known = publisher.problem.code if publisher.problem else None
        yield from (_of(trouble) for trouble in publisher.lasting() if trouble.code != known)

    def _delivery(self) -> Iterator[HealthProblem]:
        if self._outbox.refused:
            yield problem("SYS-142", count=self._outbox.refused)
        if expired := self._outbox.figures.expired:
            yield problem("SYS-153", count=expired)
        if parked := self._outbox.blobs.parked:
            yield problem("SYS-144", count=parked)
        heard_at = [at for at in self._listen() if at is not None]
        for branch, deaf_at in sorted(self._publisher.deaf.copy().items()):
            if all(at < deaf_at for at in heard_at):  # else a back office has caught up by itself since
                yield problem("SYS-141", what=_BRANCHES.get(branch, branch))
        for name, silence in self._silence.items():
            waited_s = 0.0 if silence.waits_from is None else self._clock() - silence.waits_from
            if waited_s > SILENT_S:
                yield problem("SYS-143", who=name, minutes=int(waited_s / 60))

    def _listen(self) -> Iterator[float | None]:
        """Note what every registered subscriber has said since we looked last; yield when that was."""
        now, head = self._clock(), self._outbox.head
        acks = self._replays.acks
        self._silence = {name: silence for name, silence in self._silence.items() if name in acks}
        for name, said in acks.items():
            before = self._silence.get(name)
            if before is None or before.said != said:
                heard_at = None if before is None else now
                waits_from = now if said.upto < head else None
            else:
                heard_at = before.heard_at
                waits_from = (before.waits_from or now) if said.upto < head else None
            self._silence[name] = _Silence(said, heard_at, waits_from)
            yield heard_at

    def _clocks(self) -> Iterator[HealthProblem]:
        if not self._wall.synced():
            yield problem("SYS-145")
        if (jump := self._wall.jumps.look()) is not None:
            yield problem("SYS-146", seconds=f"{jump.by_s:+.0f}")

    def _log(self) -> Iterator[HealthProblem]:
        if lost := logs.lost():
            yield problem("SYS-150", count=lost)
