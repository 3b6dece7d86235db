"""What the window says about itself: the retained status, device and health messages, and ``hall-edge status``."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from edge.blobs.desk import BlobDesk
from edge.config import Mqtt
from edge.delivery.publisher import Publisher
from edge.delivery.replays import Replays
from edge.events import EVENTS
from edge.machine import made_elsewhere, this_machine
from edge.problems import Problems, problem
from edge.store.outbox import Outbox
from edge.supervisor import Supervisor
from edge.watchdog import STALLED, last_stall
from edge.wire import (
    DeviceAbout,
    DeviceStatus,
    DiskHealth,
    Health,
    HealthProblem,
    Ladder,
    LinkHealth,
    OutboxHealth,
    SubscriberHealth,
)

Mode = Literal["live", "simulated", "maintenance"]


def stamp(seconds_ago: float = 0.0) -> str:
    """Return the wall-clock time so many seconds ago, RFC 3339, whole seconds."""
    return datetime.fromtimestamp(int(time.time() - seconds_ago), UTC).isoformat()


def device_status(device: Supervisor, epoch: int) -> DeviceStatus:
    """Return the retained status of *device*; no personal data by construction."""
    now = device.current
    proven = device.proven_s_ago()
    return DeviceStatus(
        state=now.state,
        epoch=epoch,
        since=stamp(time.monotonic() - now.since),
        last_proven=None if proven is None else stamp(proven),
        reason=now.reason,
        code=now.code,
        action=now.action,
    )


def device_about(device: Supervisor, driver_name: str, mode: Mode) -> DeviceAbout:
    """Return the retained description of *device*: what it is and what it can do."""
    info, driver = device.info, type(device.driver)
    serial = (info.serial if info else None) or device.usb_serial
    return DeviceAbout(
        kind=device.kind,
        driver=driver_name,
        mode="simulated" if device.port.simulated and mode == "live" else mode,
        model=info.model if info else None,
        firmware=info.firmware if info else None,
        serial_digest=device.port.digest(serial) if serial else None,
        proof_s=device.driver.proof_s,
        events=tuple(event.type for event in EVENTS if event.kind == device.kind),
        commands=tuple(command.command for command in driver.commands) + (("cancel",) if driver.commands else ()),
    )


class HealthWatch:
    """Counts the delivery ladder (accepted → sent → brokered → confirmed) and what could break it."""

    def __init__(
        self, outbox: Outbox, publisher: Publisher, replays: Replays, blobs: BlobDesk, mqtt: Mqtt,
        known: tuple[HealthProblem, ...] = (),
    ) -> None:  # fmt: skip
        """*known* are the problems that last as long as the daemon: see :func:`known_at_start`."""
        self._outbox, self._publisher, self._replays, self._blobs = outbox, publisher, replays, blobs
        self.problems = Problems(outbox, publisher, replays, blobs, fixed=known)
        self.renew(mqtt)

    def renew(self, mqtt: Mqtt) -> None:
        """Look after the certificates that *mqtt* names from now on."""
        self.problems.watch({"certificate": mqtt.certificate, "ca": mqtt.ca})

    def ladder(self) -> Ladder:
        """Return how far the events of this epoch have come."""
        publisher, replays = self._publisher, self._replays
        return Ladder(
            accepted=str(self._outbox.head),
            sent=str(publisher.sent),
            brokered=str(publisher.brokered),
            confirmed=str(replays.confirmed()) if replays.acks else None,
        )

    def snapshot(self, oldest_s: float | None) -> Health:
        """Return the body of the retained ``health`` message."""
        outbox, publisher, replays = self._outbox, self._publisher, self._replays
        disk = shutil.disk_usage(outbox.path.parent)
        accepting = outbox.failed is None and outbox.room.trouble is None
        return Health(
            epoch=outbox.epoch,
            head_seq=str(outbox.head),
            delivery="confirmed" if replays.acks else "broker-only",
            ladder=self.ladder(),
            outbox=OutboxHealth(
                depth=outbox.depth,
                oldest_s=oldest_s,
                quarantined=outbox.refused,
                expired=outbox.figures.expired,
                damaged=outbox.figures.damaged,
            ),
            link=LinkHealth(
                state=publisher.link,
                connects=publisher.connects,
                unheard=publisher.unheard,
                code=publisher.problem.code if publisher.problem else None,
            ),
            disk=DiskHealth(
                free_mb=disk.free // 1_000_000,
                used_percent=round(100 * disk.used / disk.total),
                accepting=accepting,
            ),
            subscribers={
                name: SubscriberHealth(upto_seq=str(ack.upto), acked=stamp(time.time() - ack.at) if ack.at else None)
                for name, ack in replays.acks.items()
            },
            replayed=replays.replayed,
            blobs=self._blobs.health(),
            problems=self.problems.found(),
        )


def known_at_start(state: Path, *, lab: bool) -> tuple[HealthProblem, ...]:
    """Return what is wrong from the start and stays so: lab mode, a cloned disk, a run before that hung."""
    machine = state / "machine.json"
    elsewhere = False
    with contextlib.suppress(OSError):  # a disk that takes no writes is the store's to tell
        elsewhere = made_elsewhere(machine, this_machine())
    return (
        *((problem("SYS-148", path=machine),) if elsewhere else ()),
        *((problem("SYS-147"),) if lab else ()),
        *last_stall(state / STALLED),
    )


def process_figures(threads: Iterable[object]) -> dict[str, int]:
    """Return the daemon's own size: resident memory in KiB, open handles, threads."""
    resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return {
        "pid": os.getpid(),
        "resident_kib": int(resident) * os.sysconf("SC_PAGE_SIZE") // 1024,
        "handles": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": len(list(threads)),
    }
