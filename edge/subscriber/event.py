"""What the consumer gets: one event, whose repr never shows what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from edge.events import BY_TYPE, Envelope, Payload
from edge.subscriber.blob_files import Blob
from edge.subscriber.model import Delivery
from edge.subscriber.wire import Body

_PERSONAL_CLASS = 2


class Event:
    """One event of one window."""

    __slots__ = (
        "_delivery",
        "data",
        "device",
        "envelope",
        "hall",
        "kind",
        "opened",
        "payload",
        "type",
        "window",
    )

    envelope: Envelope
    """The CloudEvents attributes. Its own ``data`` is empty, so that printing it shows nothing."""
    data: Mapping[str, Any]
    """The full body when the sealed view was opened (:attr:`opened`), else the public one."""
    payload: Payload | None
    """``data`` as the type of :mod:`edge.events`; ``None`` for a type or value newer than this library."""
    hall: str
    window: str
    device: str
    kind: str
    type: str
    opened: bool

    def __init__(self, delivery: Delivery) -> None:
        body = delivery.sealed or delivery.public
        assert isinstance(body, Body)  # noqa: S101  wire.py makes nothing else
        self._delivery = delivery
        self.envelope, self.data = body.envelope, body.data
        self.hall, self.window, self.device = body.topic.hall, body.topic.window, body.topic.device
        self.kind, self.type = body.topic.kind, body.topic.type
        self.opened = delivery.sealed is not None
        self.payload = _payload(body)

    @property
    def id(self) -> str:
        return self.envelope.id

    @property
    def seq(self) -> int:
        return self._delivery.seq

    @property
    def epoch(self) -> int:
        return self._delivery.epoch

    @property
    def mode(self) -> Literal["live", "simulated", "maintenance"]:
        """Return ``live`` for what a citizen did; never count ``simulated`` or ``maintenance``."""
        return self.envelope.mode

    @property
    def personal(self) -> bool:
        """Return whether the event as a whole is about a person (class 2 or 3), opened or not."""
        return self.envelope.class_ >= _PERSONAL_CLASS

    @property
    def late(self) -> bool:
        """Return whether later events were delivered before this one."""
        return self._delivery.late

    @property
    def unreadable(self) -> str | None:
        """Return why the sealed body is not here although keys are held (a code), else ``None``."""
        return self._delivery.unreadable

    @property
    def blob(self) -> Blob | None:
        """Return the event's picture or document: a whole, checked file; ``None`` when it has none for you."""
        found = self._delivery.blob
        return found if isinstance(found, Blob) else None

    @property
    def blob_gone(self) -> str | None:
        """Return why the blob is not here although it was wanted, else ``None``."""
        found = self._delivery.blob
        return found if isinstance(found, str) else None

    @property
    def tombstone(self) -> bool:
        """Return whether this stands for an event that can no longer be sent."""
        return self._delivery.tombstone

    def __repr__(self) -> str:
        marks = ((" opened", self.opened), (" late", self.late), (f" {self.unreadable}", self.unreadable))
        what = f"{self.hall}/{self.window} {self.device} {self.kind}.{self.type}"
        return f"<Event {what} seq {self.seq} {self.mode}{''.join(mark for mark, is_so in marks if is_so)}>"


def _payload(body: Body) -> Payload | None:
    kind = BY_TYPE.get(body.envelope.type)
    if kind is None:
        return None
    try:
        return msgspec.convert(body.data, kind)
    except (msgspec.ValidationError, RecursionError):  # a value of a newer daemon: data still has it
        return None
