"""What crosses the broker, as somebody else hears it, and requests as a back office sends them."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.wait import wait_until

HALL, WINDOW = "test-hall", "w01"
BASE = f"hall/v1/{HALL}/{WINDOW}"


class Wiretap:
    """Hears everything on the broker, as another tenant would, or only some *topics*, and keeps it in order."""

    def __init__(self, port: int, topics: Sequence[str] = ("#",)) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.arrived: list[float] = []
        """When each came, on the monotonic clock."""
        self._heard = threading.Condition()
        self._on: dict[str, list[bytes]] = {}
        self._events: list[tuple[str, bytes]] = []
        self._body: Callable[[bytes], dict[str, Any]] = cache(
            json.loads
        )  # a test asks for the same ones again and again
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in topics])
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(self._client.is_connected, what="the wiretap hears")

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        with self._heard:
            self.arrived.append(time.monotonic())
            topic, payload = message.topic, bytes(message.payload)
            self.messages.append((topic, payload, message.retain))
            self._on.setdefault(topic, []).append(payload)
            if topic.startswith(f"{BASE}/event/"):
                self._events.append((topic, payload))
            self._heard.notify_all()

    def on(self, suffix: str) -> list[dict[str, Any]]:
        """Return the JSON bodies heard so far on ``{base}/{suffix}``."""
        return [self._body(payload) for payload in self._on.get(f"{BASE}/{suffix}", ()) if payload]

    def events(self, type_: str | None = None) -> list[dict[str, Any]]:
        """Return the public views heard so far, in order of arrival, of one type (``rated``) or all."""
        return [self._body(payload) for topic, payload in self._events if type_ in (None, topic.rpartition("/")[2])]

    def wait_events(self, type_: str, count: int = 1, deadline_s: float = 10.0) -> list[dict[str, Any]]:
        """Wait for *count* events of one type and return them."""
        return wait_until(
            lambda: found if len(found := self.events(type_)) >= count else None, deadline_s, f"{count} × {type_}"
        )

    def publish(self, suffix: str, body: object, properties: Properties | None = None, *, retain: bool = False) -> None:
        """Publish *body* (bytes, or JSON) below the window's branch."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(f"{BASE}/{suffix}", payload, qos=1, retain=retain, properties=properties)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_message = self._client.on_connect = None
        del self._client  # paho closes its socket pair only when it is collected


class Requested:
    """One request on its way. *body* replaces the whole payload, *seal* seals it, *deadline_s* counts from now."""

    def __init__(  # noqa: PLR0913  # keyword-only, each with a default
        self, tap: Wiretap, device: str, command: str, params: object, *, deadline_s: float = 30.0,
        request_id: str | None = None, case: str | None = None, body: bytes | None = None, retain: bool = False,
        reply_to: str | None = None, seal: Callable[[bytes], bytes] | None = None,
    ) -> None:  # fmt: skip
        self.request_id = request_id or str(uuid.uuid4())
        self._tap = tap
        self._answers = f"reply/test/{self.request_id}"
        self._heard_before = len(tap.on(self._answers))
        deadline = (datetime.now(UTC) + timedelta(seconds=deadline_s)).isoformat()
        request = {"request_id": self.request_id, "deadline": deadline, "params": params}
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = reply_to or f"{BASE}/{self._answers}"
        properties.CorrelationData = self.request_id.encode()
        properties.ContentType = "application/jose+json" if seal else "application/json"
        payload = json.dumps(request | ({"case": case} if case else {})).encode() if body is None else body
        payload = seal(payload) if seal else payload
        tap.publish(f"request/{device}/{command}", payload, properties, retain=retain)

    def replies(self) -> list[dict[str, Any]]:
        """Return the replies heard since this request was sent, in order."""
        return self._tap.on(self._answers)[self._heard_before :]

    def wait(self, reply: str, deadline_s: float = 10.0) -> dict[str, Any]:
        """Wait for the first reply of one sort: ``ack``, ``progress`` or ``completion``."""

        def first() -> dict[str, Any] | None:
            return next((body for body in self.replies() if body["reply"] == reply), None)

        return wait_until(first, deadline_s, f"a reply {reply}")

    def completion(self, deadline_s: float = 10.0) -> dict[str, Any]:
        return self.wait("completion", deadline_s)
