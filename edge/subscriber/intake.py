"""Sorts what the broker sends: views to their window's sequence, retained messages to the windows. No I/O."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

import aiomqtt

from edge.logs import worth_a_line
from edge.probes import PROBE_TYPE
from edge.sealing.jwe import Opener
from edge.subscriber.blob_desk import BlobDesk
from edge.subscriber.blob_wire import BlobTopic, Wanted, read_gone, wanted_by
from edge.subscriber.errors import WireError
from edge.subscriber.marks import Mark
from edge.subscriber.model import Delivery, Limits, Notice, View
from edge.subscriber.sequence import WindowSequence
from edge.subscriber.topics import ROOT, EventTopic, split
from edge.subscriber.windows import Health, Windows, decoded
from edge.subscriber.wire import PUBLIC_TYPE, SEALED_TYPE, Body, number, public_view, sealed_view

log = logging.getLogger(__name__)


class Intake:
    """One subscriber's view of all its windows; what is ready for the consumer waits in ``ready``."""

    def __init__(
        self,
        scope: tuple[str, str],
        opener: Opener | None,
        limits: Limits,
        notice: Callable[[Notice], None],
        blobs: BlobDesk | None = None,
    ) -> None:
        self._scope, self._opener, self._limits, self._notice = scope, opener, limits, notice
        self._blobs = blobs
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
        if self._opener:
            topics[f"{root}/sealed/+/+/+"] = True
        return {**topics, f"{root}/health": True, f"{root}/device/+/status": False}

    def blob_topics(self) -> dict[str, bool]:
        """Return what the connection for blobs subscribes to."""
        hall, window = self._scope
        return {f"{ROOT}/{hall}/{window}/blob/+/+": True}

    def take(self, message: aiomqtt.Message) -> None:
        """Take one message, whatever it is; what the contract does not allow is counted and logged."""
        place = split(message.topic.value)
        if place is None or not self._mine(place[0], place[1]) or not isinstance(message.payload, bytes):
            return
        if getattr(message.properties, "ContentType", None) == PROBE_TYPE:
            return  # a window that tests itself: no event, and no state
        try:
            self._sort(*place, message)
        except OSError as error:
            log.error("SUB-114: a part of a blob cannot be written: %s", error.strerror)
        except WireError as error:
            self.refused += 1
            level = logging.WARNING if worth_a_line(self.refused) else logging.DEBUG
            log.log(level, "%s (window %s/%s, message %d refused)", error, *place[:2], self.refused)
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
            new = WindowSequence(
                window, self._limits, joins=self._opener is not None, mark=mark.copy() if mark else None
            )
            self.sequences[window] = new
        return self.sequences[window]

    def _mine(self, hall: str, window: str) -> bool:
        """A session that lives on may still hold subscriptions of former settings."""
        return self._scope[0] in ("+", hall) and self._scope[1] in ("+", window)

    def _sort(self, hall: str, window: str, rest: str, message: aiomqtt.Message) -> None:
        sequence = self.sequence(f"{hall}/{window}")
        branch = rest.partition("/")[0]
        if branch in ("event", "sealed", "replayed", "blob"):
            if message.retain:
                raise WireError("a retained event or blob")
            name = _first_topic(message)
            if name.split("/")[4:5] == ["blob"]:
                self._blob(sequence, name, message, answered=branch == "replayed")
            else:
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
        if sealed and self._opener is None:
            return
        before = sequence.duplicates
        payload = bytes(message.payload)
        if sealed and self._opener is not None:
            view = sealed_view(topic, payload, self._opener, sequence.lacks_sealed)
        else:
            view = public_view(topic, payload)
        if view and sequence.epoch is not None and view.epoch > sequence.epoch:
            raise WireError("an event of a store that the window does not speak of")
        if view:
            self._offer(sequence, view)
        if sequence.duplicates > before:
            self.forgetful.add(sequence.window)

    def _offer(self, sequence: WindowSequence, view: View) -> None:
        """Hand *view* on; if it brings a blob that is wanted, the event waits for that."""
        wanted = self._wanted_by(view)
        sequence.offer(replace(view, blob=True) if wanted else view)
        if wanted and self._blobs and sequence.awaits_blob(view.epoch, view.seq):
            self._blobs.want(sequence.window, (view.epoch, view.seq), wanted, time.monotonic())
            self.collect_blobs()

    def _wanted_by(self, view: View) -> Wanted | None:
        sealed = view.branch == "sealed"
        if self._blobs is None or not isinstance(view.body, Body) or view.sealed != sealed or view.tombstone:
            return None  # a sealed event brings its blob with the sealed view: that has the key
        return wanted_by(view.body.data, sealed=sealed)

    def _blob(self, sequence: WindowSequence, name: str, message: aiomqtt.Message, *, answered: bool) -> None:
        """Take a manifest, a part, or the news that there is none any more."""
        topic, payload, now = BlobTopic.parse(name), bytes(message.payload), time.monotonic()
        if topic is None or topic.window != sequence.window:
            raise WireError("a blob on a topic that is none, or of another window")
        if self._blobs is None:
            return
        key = (topic.window, topic.blob)
        if isinstance(topic.what, int):
            if self._blobs.part(key, topic.what, payload, now):
                sequence.blob_moves()
        elif topic.what == "manifest":
            manifest = self._blobs.manifest(key, payload, now)
            if manifest and not sequence.may_want(manifest.epoch, number(manifest.seq)):
                self._blobs.forget(key)
        elif answered:
            self._blobs.gone(key, read_gone(payload, topic.blob))
            self.collect_blobs()

    def collect_blobs(self) -> None:
        """Tell the sequences what became of blobs."""
        for told in self._blobs.told() if self._blobs else ():
            self.sequence(told.window).told_blob(told.epoch, told.seq, told.outcome)
            self.collect(told.window)


def _first_topic(message: aiomqtt.Message) -> str:
    """Return the topic that a message was first sent on."""
    name = message.topic.value
    if name.split("/")[4] != "replayed":
        return name
    return str(dict(getattr(message.properties, "UserProperty", [])).get("topic", ""))


def _original(message: aiomqtt.Message) -> tuple[EventTopic, bool]:
    """Return the topic an event was first sent on, and whether this is its sealed view."""
    name = message.topic.value
    properties = message.properties
    content_type = getattr(properties, "ContentType", None)
    replayed = name.split("/")[4] == "replayed"
    topic = EventTopic.parse(_first_topic(message))
    if topic is None:
        raise WireError("an event on a topic that is none")
    if not replayed:
        return topic, topic.branch == "sealed"
    if content_type not in (PUBLIC_TYPE, SEALED_TYPE):
        raise WireError("a replayed event without its content type")
    return topic, content_type == SEALED_TYPE
