"""A small window that speaks the wire of the contract: events, sealed views, replays, status, requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiomqtt
from joserfc.jwk import ECKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.sealing.jwe import JweSealer, new_key, opened, public_jwk
from edge.subscriber.link import SteadyClient

HOST = "127.0.0.1"
NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
EVENTS = "application/cloudevents+json"
SEALED = "application/jose+json"
HOLDER = "0123456789abcdef0123456789abcdef"

Answer = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]


@dataclass(frozen=True)
class Row:
    """One accepted event: its place, and its views as they cross the broker."""

    place: str
    public: bytes
    sealed: bytes | None


@dataclass(frozen=True)
class Request:
    """What came in on ``request/…``, opened."""

    topic: str
    body: dict[str, Any]
    sealed: bool
    correlation: bytes
    expiry_s: int


def completed(body: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Answer a request with one step and ``ok``."""
    yield {"reply": "ack", "position": 0, "deadline": body["deadline"]}
    yield {"reply": "progress", "step": 1, "of": 2, "text_code": "working"}
    yield {"reply": "completion", "code": "ok", "data": {"echo": len(body["params"])}}


class FakeWindow:
    """Keeps what it accepted; goes online as often as a test wants. Each one stands in a hall of its own."""

    def __init__(self, keys: Iterable[ECKey] = (), *, name: str = "w03", epoch: int = 1, hall: str = "") -> None:
        self.hall, self.name, self.epoch = hall or f"hall-{uuid.uuid4().hex[:8]}", name, epoch
        self.sealer = JweSealer([ECKey.import_key(public_jwk(key)) for key in keys])
        self.key = new_key()
        self.rows: dict[int, Row] = {}
        self.gone: set[int] = set()
        self.rows_deleted = 0
        self.subscribers: dict[str, Any] = {}
        self.acks: list[dict[str, Any]] = []
        self.requests: list[Request] = []
        self.answer: Answer = completed
        self.deaf = False
        self.changed = asyncio.Event()

    @property
    def root(self) -> str:
        return f"hall/v1/{self.hall}/{self.name}"

    @property
    def full_name(self) -> str:
        return f"{self.hall}/{self.name}"

    @property
    def head(self) -> int:
        return max(self.rows, default=0)

    @property
    def acknowledged(self) -> int:
        """The highest ``upto_seq`` that came without anything missing."""
        return max((int(ack["upto_seq"]) for ack in self.acks if not ack["missing"]), default=0)

    @contextlib.asynccontextmanager
    async def online(self, port: int, *, health_s: float | None = None, **login: Any) -> AsyncIterator[FakeWindow]:
        """Connect and answer; with *health_s* also tell the health that often. *login*: username, password."""
        client_id = f"hall-edge-{self.hall}-{self.name}"
        settings: dict[str, Any] = {"identifier": client_id, "protocol": aiomqtt.ProtocolVersion.V5, "timeout": 5}
        client = SteadyClient(HOST, port, socket_options=[NODELAY], **settings | login)
        client.pending_calls_threshold = 1_000
        async with client:
            self.client = client
            for topic in ("ack/+", "replay/+", "request/+/+"):
                await client.subscribe(f"{self.root}/{topic}", qos=1)
            await self.status("online")
            tasks = {asyncio.create_task(self._listen())}
            tasks |= {asyncio.create_task(self._beat(health_s))} if health_s else set()
            try:
                yield self
            finally:
                while tasks:  # again and again: asyncio.wait_for of 3.11 may swallow a cancellation
                    for task in tasks:
                        task.cancel()
                    _, tasks = await asyncio.wait(tasks, timeout=0.1)
                with contextlib.suppress(aiomqtt.MqttError):
                    await self.status("offline")

    def accept(self, device: str, event: str, data: dict[str, Any], *, personal: dict[str, Any] | None = None) -> int:
        """Give an event its ``seq`` and keep it; *event* is ``kind.type``. Nothing is sent."""
        kind, _, name = event.partition(".")
        seq = self.head + 1
        envelope = self._envelope(device, f"hall.{kind}.{name}.v1", seq) | {"class": 3 if personal else 1}
        public = envelope | {"data": data} | ({"sealed": True} if personal else {})
        place = f"{kind}/{device}/{name}"
        sealed = self.seal(seq, place, public | {"data": data | (personal or {})}) if personal else None
        self.rows[seq] = Row(place, json.dumps(public).encode(), sealed)
        return seq

    def seal(self, seq: int, place: str, event: dict[str, Any], /, **other: Any) -> bytes:
        """Return the sealed view; *other* replaces what its aad says."""
        aad = {"window": self.full_name, "epoch": self.epoch, "seq": str(seq), "type": event["type"]}
        aad |= {"topic": f"sealed/{place}"} | other
        return self.sealer.seal(json.dumps(event).encode(), json.dumps(aad).encode())

    async def send(self, *seqs: int, views: Iterable[str] = ("event", "sealed")) -> None:
        """Publish rows as at the first time."""
        for seq in seqs:
            row = self.rows[seq]
            for view in views:
                payload = row.public if view == "event" else row.sealed
                if payload:
                    kind = EVENTS if view == "event" else SEALED
                    await self.publish(f"{view}/{row.place}", payload, ContentType=kind)

    async def rate(self, count: int = 1, *, send: bool = True) -> list[int]:
        """Accept and send ratings."""
        data = {"session": str(uuid.uuid4()), "level": 5, "dwell_ms": 900}
        seqs = [self.accept("pad-1", "evaluation-pad.rated", data) for _ in range(count)]
        await self.send(*seqs if send else ())
        return seqs

    def read_card(self, name: str = "张三") -> int:
        """Accept a read card, with a personal body."""
        data = {"mode": "fields", "document": "prc-resident", "holder": HOLDER}
        person = {"name": name, "number": "11010519491231002X"}
        return self.accept("id-1", "id-card.read", data, personal={"person": person})

    async def health(self, *, retain: bool = True) -> None:
        outbox = {"depth": self.head - self.rows_deleted, "quarantined": 0}
        body = {"epoch": self.epoch, "head_seq": str(self.head), "outbox": outbox, "subscribers": self.subscribers}
        await self.publish("health", json.dumps(body).encode(), retain=retain)

    async def status(self, state: str) -> None:
        body = {"state": state, "epoch": self.epoch, "boot": "b", "version": "0", "since": _now()}
        await self.publish("status", json.dumps(body | {"key": public_jwk(self.key)}).encode(), retain=True)

    async def publish(self, rest: str, payload: bytes, *, retain: bool = False, **more: Any) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        for name, value in more.items():
            setattr(properties, name, value)
        await self.client.publish(f"{self.root}/{rest}", payload, qos=1, retain=retain, properties=properties)

    async def _beat(self, health_s: float) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            while True:
                await self.health()
                await asyncio.sleep(health_s)

    async def _listen(self) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for message in self.client.messages:
                assert isinstance(message.payload, bytes)
                _, _, _, _, branch, *rest = message.topic.value.split("/")
                if branch == "request":
                    await self._request(message)
                else:
                    await self._repeat(branch, rest[0], json.loads(message.payload))
                self.changed.set()

    async def _repeat(self, branch: str, subscriber: str, body: dict[str, Any]) -> None:
        """Send again what is missing, as the daemon does."""
        pairs = [(body["from_seq"], body["to_seq"])] if branch == "replay" else body["missing"]
        if branch == "ack":
            self.acks.append(body)
        if self.deaf or body["epoch"] != self.epoch:
            return
        for first, last in pairs:
            for seq in range(int(first), int(last) + 1):
                await self._replay(subscriber, seq)

    async def _replay(self, subscriber: str, seq: int) -> None:
        row = self.rows.get(seq)
        if row is None or seq in self.gone:
            stands_for = {"event": {"reason": "retention"}}
            tombstone = self._envelope("window", "hall.system.tombstone.v1", seq) | {"class": 1, "data": stands_for}
            row = Row("system/window/tombstone", json.dumps(tombstone).encode(), None)
        views = (("event", row.public, EVENTS), ("sealed", row.sealed, SEALED))
        for branch, payload, content_type in views:
            if payload:
                about = [("replayed", "true"), ("topic", f"{self.root}/{branch}/{row.place}")]
                await self.publish(f"replayed/{subscriber}", payload, ContentType=content_type, UserProperty=about)

    async def _request(self, message: aiomqtt.Message) -> None:
        properties: Any = message.properties
        sealed = properties.ContentType == SEALED
        assert isinstance(message.payload, bytes)
        plain = opened(message.payload, [self.key])[0] if sealed else message.payload
        body: dict[str, Any] = json.loads(plain)
        place = message.topic.value.removeprefix(f"{self.root}/request/")
        expiry_s = properties.MessageExpiryInterval
        self.requests.append(Request(place, body, sealed, properties.CorrelationData, expiry_s))
        reply_to = properties.ResponseTopic.removeprefix(f"{self.root}/")
        for reply in self.answer(body):
            payload = json.dumps({"request_id": body["request_id"], **reply}).encode()
            await self.publish(reply_to, payload, CorrelationData=properties.CorrelationData)

    def _envelope(self, device: str, kind: str, seq: int) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": f"urn:hall:{self.hall}:{self.name}:{device}",
            "type": kind,
            "time": _now(),
            "dataschema": f"urn:hall:schema:{kind}",
            "datacontenttype": "application/json",
            "epoch": self.epoch,
            "seq": str(seq),
            "boot": "b",
            "mono": "1",
            "clock": "synced",
            "mode": "simulated",
        }


def _now() -> str:
    return datetime.now(UTC).isoformat()
