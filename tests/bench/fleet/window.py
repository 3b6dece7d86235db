"""One simulated window: on the wire it does what a daemon does; the daemon's own code renders its events."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import msgspec

from edge.delivery.connection import _BACKOFF_S
from edge.delivery.topics import Topics
from edge.delivery.transport import _WILL_DELAY_S, BrokerAddress
from edge.envelope import Draft, EnvelopeRenderer
from edge.events.code_scanner import Scanned
from edge.health import stamp
from edge.wire import (
    Ack,
    DeviceStatus,
    DiskHealth,
    Health,
    Ladder,
    LinkHealth,
    OutboxHealth,
    WindowStatus,
)
from tests.support.mqtt5 import Client, Will, reason

DEVICES = ("id-1", "gun-1", "pad-1", "camera-1", "scanner-1")
KEEPALIVE_S = 5
HEALTH_S = 15.0
MOST_FLYING = 200
_ACK = msgspec.json.Decoder(Ack)


@dataclass(frozen=True)
class Place:
    """Where the broker is, and with which certificate to go there."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class SimulatedWindow:
    """Connects again and again until it is cancelled; what nobody has acknowledged it keeps, and sends again."""

    def __init__(self, hall: str, name: str, place: Place) -> None:
        self.topics, self._place = Topics(hall, name), place
        self._renderer = EnvelopeRenderer(hall, name)
        self._client_id = f"hall-edge-{hall}-{name}"
        self._epoch = int(time.time()) - 1_577_836_800
        self._kept: OrderedDict[int, tuple[str, bytes]] = OrderedDict()
        self._client: Client | None = None
        self._flying: set[int] = set()
        self.seq = self._sent = 0
        self.refused = self.connects = 0
        self.up_at = 0.0

    @property
    def up(self) -> bool:
        return self._client is not None

    @property
    def unconfirmed(self) -> int:
        """How many events no back office has acknowledged."""
        return len(self._kept)

    async def run(self) -> None:
        """Stay connected."""
        pause_s = _BACKOFF_S[0]
        while True:
            ended = asyncio.Event()
            client = Client(self._heard, ended.set)
            try:
                await self._connect(client)
                pause_s = _BACKOFF_S[0]
                await self._serve(ended)
            except OSError:  # TimeoutError and Refused too
                pass
            finally:
                self._client = None
                await client.abort()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, _BACKOFF_S[1])

    def event(self, due_ns: int) -> None:
        """Accept an event that says when it was due."""
        self.seq += 1
        text = str(due_ns)
        payload = Scanned(content="public", symbology="QR", length_bytes=len(text), text=text)
        row = self._renderer.render(Draft("gun-1", payload), self.seq, self._epoch)
        self._kept[self.seq] = (self.topics.event(row.topic), row.public)
        self._send()

    def ping(self) -> None:
        if self._client is not None and self._client.connected:
            self._client.ping()

    def tell_health(self) -> None:
        """Publish ``health``, as every 15 s."""
        if self._client is None or not self._client.connected:
            return
        head = str(self.seq)
        body = Health(
            epoch=self._epoch,
            head_seq=head,
            delivery="confirmed",
            ladder=Ladder(accepted=head, sent=head, brokered=head),
            outbox=OutboxHealth(depth=len(self._kept), quarantined=0),
            link=LinkHealth(state="up", connects=self.connects, unheard=0),
            disk=DiskHealth(free_mb=100_000, used_percent=10),
            subscribers={},
        )
        self._client.publish(self.topics.health, msgspec.json.encode(body), retain=True)

    async def _connect(self, client: Client) -> None:
        place = self._place
        await client.connect(
            place.host, place.port, self._client_id, tls=place.tls, session_s=BrokerAddress.session_s, clean=False,
            will=Will(self.topics.status, self._status("offline"), _WILL_DELAY_S), keepalive_s=KEEPALIVE_S,
        )  # fmt: skip
        await client.subscribe(self.topics.subscriptions)
        self._client, self._flying = client, set()
        self._sent = next(iter(self._kept), self.seq + 1) - 1
        self.connects += 1
        self.up_at = time.monotonic()

    async def _serve(self, ended: asyncio.Event) -> None:
        assert self._client is not None
        self._client.publish(self.topics.status, self._status("online"), retain=True)
        for device in DEVICES:
            status = DeviceStatus(state="ready", epoch=self._epoch, since=stamp())
            self._client.publish(self.topics.device_status(device), msgspec.json.encode(status), retain=True)
        self.tell_health()
        self._send()
        await ended.wait()

    def _status(self, state: Literal["online", "offline"]) -> bytes:
        body = WindowStatus(state=state, epoch=self._epoch, boot=self._renderer.boot, version="0", since=stamp())
        return msgspec.json.encode(body)

    def _send(self) -> None:
        """Fill the window of what is under way."""
        while self._client is not None and self._client.connected and len(self._flying) < MOST_FLYING:
            following = self._sent + 1
            if following > self.seq:
                return
            self._sent = following
            if (kept := self._kept.get(following)) is None:
                continue
            self._flying.add(following)
            answer = self._client.publish(*kept)
            answer.add_done_callback(lambda done, seq=following: self._taken(seq, done))  # type: ignore[misc]

    def _taken(self, seq: int, answer: asyncio.Future[bytes]) -> None:
        self._flying.discard(seq)
        if answer.cancelled() or answer.exception() is not None:
            return
        self.refused += reason(answer.result()) >= 0x80
        self._send()

    def _heard(self, topic: str, payload: bytes, _retain: bool) -> None:
        if topic.startswith(f"{self.topics.base}/ack/"):
            with contextlib.suppress(msgspec.DecodeError):
                upto = int(_ACK.decode(payload).upto_seq)
                while self._kept and next(iter(self._kept)) <= upto:
                    self._kept.popitem(last=False)
