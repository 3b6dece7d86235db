"""The composition root: builds the daemon from its configuration, runs it, and takes it down in under a second."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from edge import logs
from edge.announce import Announcer
from edge.asked import control
from edge.blobs.desk import BlobDesk
from edge.commands.admission import gate
from edge.commands.case import OpenCase
from edge.commands.desk import Commands
from edge.config import Config, Device
from edge.delivery.publisher import Publisher
from edge.delivery.replays import Replays
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.devices import Devices
from edge.envelope import Draft, EnvelopeRenderer
from edge.errors import PartEnded, StoreError
from edge.events import Payload, Quarantined, StandsFor, Tombstone
from edge.health import HealthWatch, known_at_start
from edge.notify import MORE_S, Notifier, patiently, summary
from edge.page.server import StatusPage
from edge.plugging.hotplug import Hotplug
from edge.reload import Reloader
from edge.renewal import Parts, Prepared, broker, prepare, put_to_use, sealer
from edge.selftest.holding import lock_of_daemon
from edge.state_dir import KeptKey, check_secrets, kept_bytes
from edge.store.file import kept_epoch
from edge.store.outbox import Outbox, Row
from edge.store.retention import Kept
from edge.store.room import NotTaken, Room
from edge.storeless import WORTH_WAITING, Storeless
from edge.supervisor import Supervisor
from edge.watchdog import STALLED, Watchdog

_QUARANTINED = "hall.system.quarantined.v1"
_log = logs.get("app")


class Daemon:
    """One window. :meth:`run` returns the exit code."""

    def __init__(self, config: Config, load: Callable[[], Config], notifier: Notifier) -> None:
        """*load* reads the configuration anew."""
        self._config, self._load, self._notifier = config, load, notifier
        self._state = Path(config.paths.state)
        self._case = OpenCase()
        self._topics = Topics(config.window.hall, config.window.window)
        self._stop = asyncio.Event()
        self._failure: StoreError | None = None
        self._reload_asked = asyncio.Event()
        self._devices = Devices(self._accept)

    async def run(self) -> int:
        """Run until a signal, or until the outbox fails; returns 0 or 1."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(logs.loop_error)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # see edge.cli: one that came early comes now
        lock = await lock_of_daemon(self._state, self._stop, lambda: self._notifier.more_time(MORE_S))
        if lock is None:
            return 0
        try:
            for warning in check_secrets(self._state, lab=self._config.window.lab):
                _log.warning(warning)
            if not await self._built():
                return 0
            return await self._serve()
        finally:
            self._notifier.stopping()
            os.close(lock)

    # -- building -----------------------------------------------------------------------------------

    async def _built(self) -> bool:
        """Build everything, once there is a store; ``False``: a signal came first."""
        try:
            return await self._build()
        except StoreError as error:
            if error.code not in WORTH_WAITING:
                raise
            self._publisher.end(0)
            without = Storeless(self._config, self._renderer.boot, kept_epoch(self._outbox.path) or 0, self._notifier)
            if not await without.wait(error, self._probe, self._stop, self._reload_asked):
                return False
            return await self._build()

    async def _probe(self) -> None:
        """Open the store and close it again; raises ``StoreError``."""
        names = [subscriber.name for subscriber in self._config.subscribers]
        probe = Outbox(self._outbox.path, self._renderer.render, lambda _rows: None, names)
        try:
            await asyncio.wrap_future(probe.opening())
        finally:
            probe.close()

    async def _build(self) -> bool:
        """Build everything; ``False``: a signal came first. Raises ``StoreError``."""
        config = self._config
        self._window_key = KeptKey(self._state / "window-key.jwk")
        kept = Kept.of(config.retention)
        self._renderer = EnvelopeRenderer(
            config.window.hall, config.window.window, lab=config.window.lab, sealer=sealer(config), kept=kept
        )
        self._announcer = Announcer(config, self._topics, self._renderer.boot, self._window_key, self._devices)
        if not await self._opened_store(kept):
            self._publisher.end(0)
            return False
        self._build_delivery()
        self._watch()
        self._build_devices()
        return True

    async def _opened_store(self, kept: Kept) -> bool:
        """Open the store, and make what its rows are handed to; ``False``: a signal came first."""
        config, topics = self._config, self._topics
        names = [subscriber.name for subscriber in config.subscribers]
        self._publisher = Publisher(
            broker(config), topics, config.mqtt.window,
            lambda: self._announcer.status("offline"), self._heard, self._refused,
        )  # fmt: skip
        self._outbox = Outbox(
            self._state / "outbox.db", self._renderer.render, self._publisher.offer, names,
            kept=kept, room=Room(self._state, config.outbox),
        )  # fmt: skip
        self._outbox.on_failure = self._store_failed
        self._outbox.on_room = self._room_changed
        return await patiently(asyncio.wrap_future(self._outbox.opening()), self._notifier, self._stop)

    def _build_delivery(self) -> None:
        """Make what is between the store and the broker."""
        config, topics = self._config, self._topics
        names = [subscriber.name for subscriber in config.subscribers]
        self._replays = Replays(self._outbox, topics, names, self._tombstone, self._publisher.wake)
        self._blobs = BlobDesk(
            self._state / "blobs", config.blobs, self._outbox, broker(config), topics,
            seals=self._renderer.seals, packet_limit=lambda: self._publisher.max_packet_bytes,
        )  # fmt: skip
        self._replays.on_blob_wanted = self._blobs.bulk.ask

    def _build_devices(self) -> None:
        """Make the devices, and what is asked of them."""
        config = self._config
        self._devices.digest_key = kept_bytes(self._state / "digest-key")
        self._hotplug = Hotplug(self._devices, self._state / "units.json")
        self._devices.changed, self._devices.ended = self._announcer.device, self._ended
        self._devices.on_ready, self._devices.plugged = self._hotplug.identify, self._hotplug.found
        self._plan = self._devices.plan(config.devices)
        self._commands = Commands(
            self._devices, self._outbox, self._topics, self._publisher.send, gate(config, self._window_key.opened)
        )
        self._commands.window_commands = {"case-open": self._case.open, "case-close": self._case.close}
        parts = Parts(
            self._devices, self._renderer, self._outbox, self._replays, self._publisher, self._blobs,
            self._commands, self._announcer, self._health, self._window_key, self._page,
        )  # fmt: skip
        self._reloader: Reloader[Prepared] = Reloader(
            self._reload_asked, config, self._load,
            lambda new: prepare(parts, new), lambda new: put_to_use(parts, new),
        )  # fmt: skip
        self._control = control(parts, self._reloader, self._load)

    def _watch(self) -> None:
        """Make what looks at all the rest."""
        config = self._config
        known = known_at_start(self._state, lab=config.window.lab)
        self._health = HealthWatch(self._outbox, self._publisher, self._replays, self._blobs, config.mqtt, known)
        self._announcer.attach(self._outbox, self._publisher, self._health)
        self._page = StatusPage(config.page, self._announcer.snapshot, self._health.problems)
        connections = {"mqtt": self._publisher, "bulk": self._blobs.bulk}
        self._watchdog = Watchdog(
            self._state / STALLED, self._outbox, connections, self._devices.moves, self._health.problems
        )
        self._watchdog.fed = self._all_is_well
        if self._notifier.watchdog_s is not None:
            self._watchdog.look_s = min(self._watchdog.look_s, self._notifier.watchdog_s / 2)

    # -- running ------------------------------------------------------------------------------------

    async def _serve(self) -> int:
        threading.excepthook = self._thread_ended
        await self._control.start()
        await self._devices.begin(self._plan)
        self._announcer.begin()
        self._publisher.start(self._outbox, self._replays)
        self._blobs.start()
        self._hotplug.start()
        parts = {"health": self._announcer.tell_health(), "watchdog": self._watchdog.run(), "page": self._page.run()}
        parts["reload"] = self._reloader.run(self._health.problems, self._notifier, self._summary)
        tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
        for task in tasks:
            task.add_done_callback(self._ended)
        self._notifier.ready(self._summary())
        _log.info("running", extra={"fields": {"devices": len(self._devices), "pid": os.getpid()}})
        try:
            await self._stop.wait()
        finally:
            self._notifier.stopping()
            await self._shut_down([*tasks, *self._devices.tasks()])
        if self._failure is not None:
            _log.error(str(self._failure), extra={"fields": {"code": self._failure.code}})
        return 1 if self._failure else 0

    def _all_is_well(self) -> None:
        """Tell systemd that everything moves."""
        self._notifier.alive()
        if self._notifier.active:
            self._notifier.status(self._summary())

    def _summary(self) -> str:
        problems = self._health.problems.found() if self._notifier.active else ()
        states = [device.current.state for device in self._devices.values()]
        return summary(states, self._publisher.link, self._outbox.depth, problems)

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
            self._failure = self._failure or PartEnded()
            self._stop.set()

    def _thread_ended(self, ended: threading.ExceptHookArgs) -> None:
        """Stop the daemon when one of its threads ends by a bug. Called in that thread."""
        name = ended.thread.name if ended.thread else "?"
        _log.error("a thread of the daemon ended", exc_info=ended.exc_value, extra={"fields": {"thread": name}})
        self._store_failed(PartEnded())

    def _store_failed(self, error: StoreError) -> None:
        """Stop the daemon: without a store nothing can be accepted any more. Any thread."""
        self._failure = self._failure or error
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    def _room_changed(self, trouble: NotTaken | None) -> None:
        """Close every device while nothing can be taken, so that none looks ready. Called in the store's thread."""

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._devices.hold, trouble)

    # -- events -------------------------------------------------------------------------------------

    def _accept(
        self, configured: Device, device: Supervisor, events: Sequence[Payload], case: str | None
    ) -> Sequence[Row]:
        """Make a device's events durable. Called in its lane's thread."""
        mode = "simulated" if device.port.simulated and configured.mode == "live" else configured.mode
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
