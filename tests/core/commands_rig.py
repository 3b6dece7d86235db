"""Commands with a real store and supervised devices whose drivers do as told; replies are kept."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.commands.admission import Gate
from edge.commands.desk import Commands
from edge.commands.permits import TIERS, Permit
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.driver import DeviceInfo, Job, Settings
from edge.envelope import Draft, EnvelopeRenderer
from edge.events import Payload, ReadCard, TimedOut
from edge.port import DevicePort
from edge.sealing.jwe import JweSealer, new_key, opened
from edge.store.outbox import Outbox
from edge.supervisor import Supervisor
from tests.core.drivers_rig import Patient, Told, port_at
from tests.support.wait import wait_until_async
from tests.support.window import BASE, HALL, WINDOW

PAD, CARD = "pad-1", "id-1"
WINDOW_KEY = new_key()
EVERYTHING = Permit(frozenset(TIERS))


def open_gate(**rules: Any) -> Gate:
    """Return the gate of a window where everything is allowed, but for *rules*."""
    return Gate(f"{HALL}/{WINDOW}", lambda body: opened(body, [WINDOW_KEY])[0], **{"permit": EVERYTHING, **rules})


class TellsCards(Patient):
    kind = "id-card"
    commands = (ReadCard,)  # type: ignore[assignment]  # another driver, not a kind of that one


class Session:
    """What a driver does until it is told: checks all the time, reports once, yields one event."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Event(), threading.Event()

    def __call__(self, job: Job) -> Iterator[Payload]:
        job.report("asked", 1, 2)
        self.begun.set()
        while not self.end.wait(0.002):
            job.check()
        yield TimedOut(session=job.request_id, waited_ms=1)


class Counter:
    """The daemon's command desk, and what it has replied, by request."""

    def __init__(self, folder: Path, gate: Gate) -> None:
        renderer = EnvelopeRenderer(HALL, WINDOW)
        self.outbox = Outbox(folder / "outbox.db", renderer.render, lambda _rows: None)
        self.outbox.open()
        self.drivers: dict[str, Told] = {}
        self.devices = {name: self._device(name, kind, folder) for name, kind in ((PAD, Patient), (CARD, TellsCards))}
        self.sent: list[Message] = []
        self.commands = Commands(
            self.devices,
            self.outbox,
            Topics(HALL, WINDOW),
            self.sent.append,
            gate,
        )
        self.commands.window_commands = {"case-open": dict}

    def _device(self, name: str, kind: type[Told], node: Path) -> Supervisor:
        def make() -> tuple[Told, DevicePort]:
            port = port_at(node)
            driver = self.drivers[name] = kind(Settings(), port)
            driver.on_open = DeviceInfo
            return driver, port

        return Supervisor(
            name,
            make,
            lambda _device, events, case: self.outbox.commit([Draft(name, event, case=case) for event in events]),
            lambda _device: None,
        )

    @property
    def pad(self) -> Told:
        return self.drivers[PAD]

    @property
    def executed(self) -> int:
        return sum(driver.calls.count("execute") for driver in self.drivers.values())

    def ask(self, device: str = PAD, command: str = "evaluate", params: Any = None, **more: Any) -> str:
        """Hand over one request, as the MQTT thread would after the event loop's turn; return its id."""
        message = request(device, command, params, **more)
        self.commands.handle(message)
        return message.response_topic.rpartition("/")[2] if message.response_topic else ""

    def replies(self, request_id: str) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in list(self.sent) if message.topic.endswith(request_id)]

    def ends(self, request_id: str) -> list[dict[str, Any]]:
        return [body for body in self.replies(request_id) if body["reply"] == "completion"]

    async def end(self, request_id: str) -> dict[str, Any]:
        """Return the one completion of a request."""
        await wait_until_async(lambda: self.ends(request_id), what="a completion")
        (completion,) = self.ends(request_id)
        return completion


def request(
    device: str = PAD, command: str = "evaluate", params: Any = None, *, request_id: str = "", deadline_s: float = 30.0,
    body: bytes | None = None, sealed: bool = False, **more: Any,
) -> Message:  # fmt: skip
    """Return a request as it comes from the broker; *more* replaces parts of the message."""
    request_id = request_id or str(uuid.uuid4())
    deadline = (datetime.now(UTC) + timedelta(seconds=deadline_s)).isoformat()
    if body is None:
        body = json.dumps({"request_id": request_id, "deadline": deadline, "params": params or {}}).encode()
    if sealed:
        body = JweSealer([WINDOW_KEY]).seal(body, b"{}")
    given = {
        "topic": f"{BASE}/request/{device}/{command}",
        "payload": body,
        "content_type": "application/jose+json" if sealed else "application/json",
        "correlation": request_id.encode(),
        "response_topic": f"{BASE}/reply/test/{request_id}",
    }
    return Message(**(given | more))


@asynccontextmanager
async def counter(folder: Path, gate: Gate | None = None) -> AsyncIterator[Counter]:
    """Lend a command desk whose devices are ready."""
    desk = Counter(folder, gate or open_gate())
    tasks = [asyncio.create_task(device.run()) for device in desk.devices.values()]
    try:
        await wait_until_async(lambda: all(device.usable for device in desk.devices.values()))
        yield desk
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        desk.outbox.close()
