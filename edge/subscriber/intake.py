"""Sorts what the broker sends: views to their window's sequence, retained messages to the windows. No I/O."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import aiomqtt
from joserfc.jwk import ECKey

from edge.subscriber.errors import WireError
from edge.subscriber.model import Delivery, Limits, Notice
from edge.subscriber.sequence import Mark, WindowSequence
from edge.subscriber.topics import ROOT, EventTopic, split
from edge.subscriber.windows import Health, Windows, decoded
from edge.subscriber.wire import PUBLIC_TYPE, SEALED_TYPE, number, public_view, sealed_view

log = logging.getLogger(__name__)


class Intake:
    """One subscriber's view of all its windows; what is ready for the consumer waits in ``ready``."""

    def __init__(
        self, scope: tuple[str, str], keys: Sequence[ECKey], limits: Limits, notice: Callable[[Notice], None]
    ) -> None:
        self._scope, self._keys, self._limits, self._notice = scope, keys, limits, notice
        self._marks: Mapping[str, Mark] = {}
        self._durable: str | None = None
        self.ready: deque[Delivery] = deque()
        self.sequences: dict[str, WindowSequence] = {}
        self.windows = Windows()
        self.forgetful: set[str] = set()
        """Windows that seem not to know what was acknowledged: they sent it again, or came online."""
        self.refused = 0

    def begin(self, name: str, marks: Mapping[str, Mark]) -> None:
        """Go on behind *marks*; windows without one begin behind what *name* has acknowledged there."""
        self._durable, self._marks = name, marks
        for window in marks:
            self.sequence(window)

    def topics(self, name: str) -> dict[str, bool]:
        """Return what to subscribe to, and whether it is needed."""
        hall, window = self._scope
        root = f"{ROOT}/{hall}/{window}"
        topics = {f"{root}/event/+/+/+": True, f"{root}/replayed/{name}": True, f"{root}/status": True}
        if self._keys:
            topics[f"{root}/sealed/+/+/+"] = True
        return {**topics, f"{root}/health": True, f"{root}/device/+/status": False}

    def take(self, message: aiomqtt.Message) -> None:
        """Take one message, whatever it is; what the contract does not allow is counted and logged."""
        place = split(message.topic.value)
        if place is None or not self._mine(place[0], place[1]) or not isinstance(message.payload, bytes):
            return
        try:
            self._sort(*place, message)
        except WireError as error:
            self.refused += 1
            log.warning("%s (window %s/%s, message %d refused)", error, *place[:2], self.refused)
        self.collect(f"{place[0]}/{place[1]}")

    def collect(self, window: str) -> None:
        """Move what the window's sequence has ready to the consumer, and report its notices."""
        out = self.sequence(window).out
        while out:
            item = out.popleft()
            if isinstance(item, Delivery):
                self.ready.append(item)
            else:
                self._notice(item)

    def sequence(self, window: str) -> WindowSequence:
        """Return the sequence of ``hall/window``, begun where the position says."""
        if window not in self.sequences:
            mark = self._marks.get(window)
            new = WindowSequence(window, self._limits, joins=bool(self._keys), mark=mark.copy() if mark else None)
            self.sequences[window] = new
        return self.sequences[window]

    def _mine(self, hall: str, window: str) -> bool:
        """A session that lives on may still hold subscriptions of former settings."""
        return self._scope[0] in ("+", hall) and self._scope[1] in ("+", window)

    def _sort(self, hall: str, window: str, rest: str, message: aiomqtt.Message) -> None:
        sequence = self.sequence(f"{hall}/{window}")
        branch = rest.partition("/")[0]
        if branch in ("event", "sealed", "replayed"):
            if message.retain:
                raise WireError("a retained event")
            self._view(sequence, hall, window, message)
        elif rest == "health":
            self._health(sequence, decoded(bytes(message.payload), Health), live=not message.retain)
        else:
            self.windows.feed(hall, window, rest, bytes(message.payload))
            status = self.windows[sequence.window].status
            if rest == "status" and status:
                sequence.told_epoch(status.epoch)
                if status.state == "online":
                    self.forgetful.add(sequence.window)

    def _health(self, sequence: WindowSequence, health: Health, *, live: bool) -> None:
        if health.head_seq is None:
            return
        head = number(health.head_seq)
        sequence.told_head(health.epoch, head, live=live)
        ours = health.subscribers.get(self._durable or "")
        if ours and health.outbox.depth is not None:
            sequence.told_acknowledged(health.epoch, max(number(ours.upto_seq), head - health.outbox.depth, 0))

    def _view(self, sequence: WindowSequence, hall: str, window: str, message: aiomqtt.Message) -> None:
        topic, sealed = _original(message)
        if (topic.hall, topic.window) != (hall, window):
            raise WireError("a replayed event of another window")
        if sealed and not self._keys:
            return
        before = sequence.duplicates
        payload = bytes(message.payload)
        view = sealed_view(topic, payload, self._keys, sequence.lacks_sealed) if sealed else public_view(topic, payload)
        if view:
            sequence.offer(view)
        if sequence.duplicates > before:
            self.forgetful.add(sequence.window)


def _original(message: aiomqtt.Message) -> tuple[EventTopic, bool]:
    """Return the topic an event was first sent on, and whether this is its sealed view."""
    name = message.topic.value
    properties = message.properties
    content_type = getattr(properties, "ContentType", None)
    replayed = name.split("/")[4] == "replayed"
    if replayed:
        name = dict(getattr(properties, "UserProperty", [])).get("topic", "")
    topic = EventTopic.parse(name)
    if topic is None:
        raise WireError("an event on a topic that is none")
    if not replayed:
        return topic, topic.branch == "sealed"
    if content_type not in (PUBLIC_TYPE, SEALED_TYPE):
        raise WireError("a replayed event without its content type")
    return topic, content_type == SEALED_TYPE
