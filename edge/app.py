"""The composition root: builds the daemon from its configuration, runs it, and takes it down in under a second."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from edge import logs
from edge.announce import Announcer
from edge.blobs.desk import BlobDesk
from edge.commands.admission import gate
from edge.commands.case import OpenCase
from edge.commands.desk import Commands
from edge.config import Config, Device
from edge.control import Control
from edge.delivery.publisher import Publisher
from edge.delivery.replays import Replays
from edge.delivery.topics import Topics
from edge.delivery.transport import Message, broker_address
from edge.driver import Driver
from edge.envelope import Draft, EnvelopeRenderer
from edge.errors import StoreError
from edge.events import Payload, Quarantined, StandsFor, Tombstone
from edge.health import HealthWatch, known_at_start
from edge.lanes.process import RemoteDriver
from edge.plugging.hotplug import Hotplug
from edge.port import DevicePort
from edge.state_dir import KeptKey, check_secrets, kept_bytes, take_lock
from edge.store.file import kept_epoch
from edge.store.outbox import Outbox, Row
from edge.store.retention import Kept
from edge.store.room import NotTaken, Room
from edge.storeless import WORTH_WAITING, Storeless
from edge.supervisor import Supervisor
from edge.watchdog import STALLED, Watchdog

if TYPE_CHECKING:
    from edge.sealing.jwe import Sealer

_QUARANTINED = "hall.system.quarantined.v1"
_log = logs.get("app")


class Daemon:
    """One window. :meth:`run` returns the exit code."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._state = Path(config.paths.state)
        self._case = OpenCase()
        self._topics = Topics(config.window.hall, config.window.window)
        self._stop = asyncio.Event()
        self._failure: StoreError | None = None
        self._devices: dict[str, Supervisor] = {}
        self._configured: dict[str, Device] = {device.name: device for device in config.devices}

    async def run(self) -> int:
        """Run until a signal, or until the outbox fails; returns 0 or 1."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(logs.loop_error)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        lock = take_lock(self._state)
        try:
            for warning in check_secrets(self._state, lab=self._config.window.lab):
                _log.warning(warning)
            if not await self._built():
                return 0
            return await self._serve()
        finally:
            os.close(lock)

    # -- building -----------------------------------------------------------------------------------

    async def _built(self) -> bool:
        """Build everything, once there is a store; ``False``: a signal came first."""
        try:
            self._build()
        except StoreError as error:
            if error.code not in WORTH_WAITING:
                raise
            self._publisher.end(0)
            without = Storeless(self._config, self._renderer.boot, kept_epoch(self._outbox.path) or 0)
            if not await without.wait(error, self._probe, self._stop):
                return False
            self._build()
        return True

    async def _probe(self) -> None:
        """Open the store and close it again; raises ``StoreError``."""
        names = [subscriber.name for subscriber in self._config.subscribers]
        probe = Outbox(self._outbox.path, self._renderer.render, lambda _rows: None, names)
        try:
            await asyncio.wrap_future(probe.opening())
        finally:
            probe.close()

    def _build(self) -> None:
        config = self._config
        self._window_key = KeptKey(self._state / "window-key.jwk")
        sealer = self._sealer()
        kept = Kept.of(config.retention)
        self._renderer = EnvelopeRenderer(
            config.window.hall, config.window.window, lab=config.window.lab, sealer=sealer, kept=kept
        )
        self._announcer = Announcer(config, self._topics, self._renderer.boot, self._window_key, self._devices)
        self._build_delivery(kept, seals=sealer is not None)
        self._watch()
        self._build_devices()

    def _build_delivery(self, kept: Kept, *, seals: bool) -> None:
        """Make what is between a device's event and the broker; raises ``StoreError``."""
        config, topics = self._config, self._topics
        names = [subscriber.name for subscriber in config.subscribers]
        address = broker_address(config.mqtt, f"hall-edge-{config.window.hall}-{config.window.window}")
        self._publisher = Publisher(
            address, topics, config.mqtt.window, lambda: self._announcer.status("offline"), self._heard, self._refused
        )
        self._outbox = Outbox(
            self._state / "outbox.db", self._renderer.render, self._publisher.offer, names,
            kept=kept, room=Room(self._state, config.outbox),
        )  # fmt: skip
        self._outbox.on_failure = self._store_failed
        self._outbox.on_room = self._room_changed
        self._outbox.open()
        self._replays = Replays(self._outbox, topics, names, self._tombstone, self._publisher.wake)
        self._blobs = BlobDesk(
            self._state / "blobs", config.blobs, self._outbox, address, topics,
            seals=seals, packet_limit=lambda: self._publisher.max_packet_bytes,
        )  # fmt: skip
        self._replays.on_blob_wanted = self._blobs.bulk.ask

    def _build_devices(self) -> None:
        """Make the devices, and what is asked of them."""
        config = self._config
        digest_key = kept_bytes(self._state / "digest-key")
        self._hotplug = Hotplug(self._devices, self._state / "units.json")
        for device in config.devices:
            if device.enabled:
                make = functools.partial(_make, device, digest_key, self._hotplug)
                self._devices[device.name] = Supervisor(device.name, make, self._accept, self._announcer.device)
        self._commands = Commands(
            self._devices, self._outbox, self._topics, self._publisher.send, gate(config, self._window_key.opened)
        )
        self._commands.window_commands = {"case-open": self._case.open, "case-close": self._case.close}
        self._control = Control(Path(config.paths.run) / "control.sock", self._announcer.snapshot)

    def _watch(self) -> None:
        """Make what looks at all the rest."""
        config = self._config
        known = known_at_start(self._state, lab=config.window.lab)
        health = HealthWatch(self._outbox, self._publisher, self._replays, self._blobs, config.mqtt, known)
        self._announcer.attach(self._outbox, self._publisher, health)
        connections = {"mqtt": self._publisher, "bulk": self._blobs.bulk}
        self._watchdog = Watchdog(self._state / STALLED, self._outbox, connections, health.problems)

    def _sealer(self) -> Sealer | None:
        """Return what seals personal bodies; the library is loaded only when some device needs it."""
        if not any(device.personal for device in self._config.devices if device.enabled):
            return None
        from edge.sealing.provider import event_sealer  # 0.1 s and 10 MiB, not always needed

        sealing, lab = self._config.sealing, self._config.window.lab
        files = [Path(subscriber.key) for subscriber in self._config.subscribers if subscriber.key]
        return event_sealer(sealing.provider, sealing.package, files, self._state / "lab-key.jwk" if lab else None)

    # -- running ------------------------------------------------------------------------------------

    async def _serve(self) -> int:
        threading.excepthook = self._thread_ended
        await self._control.start()
        self._announcer.begin()
        self._publisher.start(self._outbox, self._replays)
        self._blobs.start()
        self._hotplug.start()
        tasks = [asyncio.create_task(device.run(), name=name) for name, device in self._devices.items()]
        tasks.append(asyncio.create_task(self._announcer.tell_health(), name="health"))
        tasks.append(asyncio.create_task(self._watchdog.run(), name="watchdog"))
        for task in tasks:
            task.add_done_callback(self._ended)
        _log.info("running", extra={"fields": {"devices": len(self._devices), "pid": os.getpid()}})
        try:
            await self._stop.wait()
        finally:
            await self._shut_down(tasks)
        if self._failure is not None:
            _log.error(str(self._failure), extra={"fields": {"code": self._failure.code}})
        return 1 if self._failure else 0

    async def _shut_down(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Take everything down within a second, whatever hangs; what hangs is left to the end of the process."""
        self._hotplug.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0.25)
        await self._commands.drain(0.1)
        await self._control.stop()
        self._publisher.stop(self._announcer.offline(self._failure), wait_s=0.4)
        self._blobs.bulk.end(wait_s=0.1)
        self._outbox.close()
        self._watchdog.stop()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Stop the daemon when one of its tasks ends by a bug: systemd starts a healthy one."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a part of the daemon ended", exc_info=error, extra={"fields": {"device": task.get_name()}})
            self._failure = self._failure or StoreError("a part of the daemon ended", code="SYS-110")
            self._stop.set()

    def _thread_ended(self, ended: threading.ExceptHookArgs) -> None:
        """Stop the daemon when one of its threads ends by a bug. Called in that thread."""
        name = ended.thread.name if ended.thread else "?"
        _log.error("a thread of the daemon ended", exc_info=ended.exc_value, extra={"fields": {"thread": name}})
        self._store_failed(StoreError("a part of the daemon ended", code="SYS-110"))

    def _store_failed(self, error: StoreError) -> None:
        """Stop the daemon: without a store nothing can be accepted any more. Any thread."""
        self._failure = self._failure or error
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    def _room_changed(self, trouble: NotTaken | None) -> None:
        """Close every device while nothing can be taken, so that none looks ready. Called in the store's thread."""

        def hold() -> None:
            for device in self._devices.values():
                device.hold(trouble)

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(hold)

    # -- events -------------------------------------------------------------------------------------

    def _accept(self, device: Supervisor, events: Sequence[Payload], case: str | None) -> Sequence[Row]:
        """Make a device's events durable. Called in its lane's thread."""
        mode = self._configured[device.name].mode
        mode = "simulated" if device.port.simulated and mode == "live" else mode
        case = case or self._case.current
        drafts = [Draft(device.name, event, mode, case) for event in events]
        return self._blobs.intake.commit(device.port, drafts)

    def _refused(self, seq: int, reason: int) -> None:
        """Called in the MQTT thread when the broker refuses an event for good."""

        def tell(found: Future[list[Row]]) -> None:
            for row in found.result() if found.exception() is None else ():
                if row.type != _QUARANTINED:  # else a broker that refuses everything would keep us busy for ever
                    event = Quarantined(refused_seq=str(seq), refused_id=row.id, puback=reason)
                    self._outbox.commit_soon([Draft("window", event)])

        self._outbox.between(seq, seq).add_done_callback(tell)

    def _tombstone(self, seq: int, stands_for: StandsFor) -> bytes:
        return self._renderer.render(Draft("window", Tombstone(event=stands_for)), seq, self._outbox.epoch).public

    def _heard(self, message: Message) -> None:
        """Take a message of the broker. Called in the MQTT thread."""
        branch, *rest = self._topics.inside(message.topic)
        if branch == "request":
            self._commands.hear(message)
        elif branch == "status":
            self._announcer.heard_status(message.payload)
        else:
            self._replays.heard(branch, rest[0], message.payload)


def _make(device: Device, digest_key: bytes, hotplug: Hotplug) -> tuple[Driver, DevicePort]:
    public = device.driver_type.public_traffic
    port = DevicePort(device.name, device.address, digest_key, public_traffic=public, plugged=hotplug.found)
    if device.driver_type.lane == "process":
        return RemoteDriver(device.driver_type, device.settings, port), port
    return device.driver_type(device.settings, port), port
