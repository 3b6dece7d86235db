"""From MQTT messages to checked views: decode, open, and compare with where they came from."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from edge.events import Envelope, Tombstone
from edge.sealing.jwe import Opener, SealError
from edge.subscriber.errors import WireError
from edge.subscriber.model import LAST_SEQ, View
from edge.subscriber.topics import ROOT, EventTopic

PUBLIC_TYPE = "application/cloudevents+json"
SEALED_TYPE = "application/jose+json"
MAX_BYTES = 96 * 1024
_TOMBSTONE = f"hall.{Tombstone.kind}.{Tombstone.type}.v1"
_OTHER_KEYS = "SEC-101"
_FOREIGN = "SUB-110"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded view: the attributes without ``data``, and ``data`` apart from them."""

    envelope: Envelope
    data: Mapping[str, Any]
    topic: EventTopic

    def __repr__(self) -> str:
        return f"<Body {self.envelope.type}>"


class _Jwe(msgspec.Struct):
    aad: str


class Bound(msgspec.Struct):
    """The ``aad`` of a sealed view: where it belongs. Authenticated only once it is opened."""

    window: str
    epoch: int
    seq: str
    topic: str
    type: str


def public_view(topic: EventTopic, payload: bytes) -> View:
    """Return the view in a public message; raises :class:`WireError`."""
    envelope = _decoded(payload, Envelope)
    tombstone = envelope.type == _TOMBSTONE
    if tombstone:  # it may be sent under the topic of what it stands for
        device = envelope.source.rpartition(":")[2]
        topic = EventTopic(topic.hall, topic.window, "event", Tombstone.kind, device, Tombstone.type)
    if not _belongs(envelope, topic):
        raise WireError(f"an event says another source or type than its topic ({topic.window})")
    body = _body(envelope, topic)
    return View(
        epoch=envelope.epoch,
        seq=number(envelope.seq),
        body=body,
        tombstone=tombstone,
        sealed=envelope.sealed,
        id=_stands_for(body) if tombstone else envelope.id,
    )


def _stands_for(tombstone: Body) -> str:
    """Return the id of the event that a tombstone stands for; empty when it is not known any more."""
    event = tombstone.data.get("event")
    name = event.get("id") if isinstance(event, dict) else None
    return name if isinstance(name, str) else ""


def sealed_view(topic: EventTopic, payload: bytes, opener: Opener, wanted: Callable[[int, int], bool]) -> View | None:
    """Return the view in a sealed message, opened; ``None`` when it is not *wanted* ``(epoch, seq)``.

    A message that names its event but cannot be opened, or belongs to another one, is a *bad* view; one that
    does not even name its event raises :class:`WireError`.
    """
    bound = bound_of(payload)
    epoch, seq = bound.epoch, number(bound.seq)
    if not wanted(epoch, seq):
        return None
    try:
        plain, aad = opener.open(payload)
        envelope = _decoded(plain, Envelope)
        if not _same(_decoded(aad, Bound), envelope, topic):
            raise SealError("a sealed view belongs to another event or place", code=_FOREIGN)
    except SealError as error:
        return _bad(epoch, seq, error.code, final=error.code == _OTHER_KEYS)
    except (WireError, RecursionError):
        return _bad(epoch, seq, _FOREIGN, final=False)
    return View(epoch=epoch, seq=seq, body=_body(envelope, topic), branch="sealed", sealed=True, id=envelope.id)


def bound_of(payload: bytes) -> Bound:
    """Return what a sealed message says about itself, unproved; raises :class:`WireError`."""
    text = _decoded(payload, _Jwe).aad
    try:
        aad = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise WireError("a sealed message has no readable aad") from None
    return _decoded(aad, Bound)


def _bad(epoch: int, seq: int, code: str, *, final: bool) -> View:
    return View(epoch=epoch, seq=seq, body=None, branch="sealed", bad=code, final=final)


def _decoded(payload: bytes, kind: type[T]) -> T:
    if len(payload) > MAX_BYTES:
        raise WireError(f"a message of {len(payload)} bytes, more than {MAX_BYTES}")
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):  # their text may quote the content
        raise WireError(f"a message that is no {kind.__name__}") from None


def _body(envelope: Envelope, topic: EventTopic) -> Body:
    data = envelope.data if isinstance(envelope.data, dict) else _decoded(bytes(envelope.data), dict)
    return Body(envelope=msgspec.structs.replace(envelope, data={}), data=data, topic=topic)


def number(text: str) -> int:
    """Return the sequence number in *text*; raises :class:`WireError`."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(LAST_SEQ)) or int(text) > LAST_SEQ:
        raise WireError("a sequence number that is none")
    return int(text)


def _belongs(envelope: Envelope, topic: EventTopic) -> bool:
    return (
        envelope.source == f"urn:hall:{topic.hall}:{topic.window}:{topic.device}"
        and envelope.type == f"hall.{topic.kind}.{topic.type}.v1"
    )


def _same(bound: Bound, envelope: Envelope, topic: EventTopic) -> bool:
    """Return whether aad, plaintext and topic speak of one event.

    The aad may name the topic of either branch, whole or below the window's own part (``sealed/…``).
    """
    own = f"{ROOT}/{topic.hall}/{topic.window}/"
    named = bound.topic if bound.topic.startswith(f"{ROOT}/") else own + bound.topic
    return (
        _belongs(envelope, topic)
        and bound.window == f"{topic.hall}/{topic.window}"
        and (bound.epoch, bound.seq, bound.type) == (envelope.epoch, envelope.seq, envelope.type)
        and topic.same_event(EventTopic.parse(named))
    )
