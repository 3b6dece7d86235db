"""What subscribers acknowledge, and what they ask for again."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import msgspec

from edge import logs
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.errors import EdgeError
from edge.events import StandsFor
from edge.store.marks import Mark, read_marks
from edge.store.outbox import Buried, Outbox, Ranges, Row
from edge.wire import Ack, BlobReplayRequest, ReplayRequest

EVENT_TYPE = "application/cloudevents+json"
SEALED_TYPE = "application/jose+json"
_ID_OF = "SELECT id FROM event WHERE seq = :seq UNION ALL SELECT id FROM tombstone WHERE seq = :seq"
_CHUNK = 50
_MAX_ACK_BYTES = 64 * 1024
_MAX_RANGES = 1000
_log = logs.get("replay")


@dataclass(frozen=True)
class LastAck:
    """How far a subscriber has confirmed, and when it last said so (Unix seconds; ``None``: never)."""

    upto: int
    at: float | None


class Replays:
    """Reads acknowledgements and answers requests for missing events. Used in the MQTT thread."""

    def __init__(
        self,
        outbox: Outbox,
        topics: Topics,
        subscribers: Sequence[str],
        tombstone: Callable[[int, StandsFor], bytes],
        wake: Callable[[], None],
    ) -> None:
        self.acks: dict[str, LastAck] = {name: LastAck(0, None) for name in subscribers}
        self.on_blob_wanted: Callable[[str, BlobReplayRequest], None] = lambda _who, _asked: None
        """Called when a subscriber asks for parts of a blob."""
        self.bad_messages = 0
        self.foreign_acks = 0
        """Acknowledgements of what this store never gave out: it is an older copy of itself."""
        self.replayed = 0
        self._outbox, self._topics, self._tombstone, self._wake = outbox, topics, tombstone, wake
        self._wanted: dict[tuple[str, str], deque[tuple[int, int]]] = {}
        self._compared_wants: deque[tuple[tuple[str, str], Ranges, int]] = deque()
        self._ready: deque[Message] = deque()
        self._fetching = False
        for name, upto, at in outbox.call(_last_acks).result():
            if name in self.acks:
                self.acks[name] = LastAck(upto, at)

    def renew(self, subscribers: Sequence[str], marks: Mapping[str, Mark]) -> None:
        """Listen to *subscribers* from now on; *marks* tell what those confirmed that come back. Event loop."""
        before = self.acks
        known = {name: LastAck(mark.upto, mark.acked) for name, mark in marks.items()}
        self.acks = {name: before.get(name) or known.get(name) or LastAck(0, None) for name in subscribers}

    def confirmed(self) -> int:
        """Return the ``seq`` that every registered subscriber has confirmed; 0 with none registered."""
        return min((ack.upto for ack in self.acks.values()), default=0)

    def heard(self, branch: str, subscriber: str, payload: bytes) -> None:
        """Take a message of the branch ``ack`` or ``replay``."""
        if subscriber not in self.acks:
            self._bad("a subscriber that is not registered", subscriber)
            return
        try:
            if len(payload) > _MAX_ACK_BYTES:
                raise ValueError("too large")
            if branch == "ack":
                self._acknowledged(subscriber, msgspec.json.decode(payload, type=Ack))
            else:
                self._asked(subscriber, _request(payload))
        except (ValueError, RecursionError):  # also what is no UTF-8
            self._bad(f"a malformed message on {branch}/", subscriber)

    def next_message(self) -> Message | None:
        """Return the next message of a replay, or ``None``; looks for more in the outbox meanwhile."""
        if self._ready:
            self.replayed += 1
            return self._ready.popleft()
        while self._compared_wants:
            self._named(*self._compared_wants.popleft())
        if self._wanted and not self._fetching:
            who, ranges = next(iter(self._wanted.items()))
            first, last = ranges.popleft()
            if last - first >= _CHUNK:
                ranges.appendleft((first + _CHUNK, last))
                last = first + _CHUNK - 1
            del self._wanted[who]  # the next chunk is the next subscriber's
            self._want(who, ranges)
            self._fetching = True
            known = self._outbox.known(first, last)
            known.add_done_callback(lambda future: self._came(who[0], first, last, future))
        return None

    def _asked(self, subscriber: str, asked: ReplayRequest | BlobReplayRequest) -> None:
        if isinstance(asked, BlobReplayRequest):
            self.on_blob_wanted(subscriber, asked)
            return
        ranges = self._inside(asked.epoch, [(asked.from_seq, asked.to_seq)])
        before = self._wanted.get((subscriber, "replay"), ())
        self._want((subscriber, "replay"), [*before, *ranges][:_MAX_RANGES])

    def _acknowledged(self, subscriber: str, ack: Ack) -> None:
        if ack.epoch != self._outbox.epoch:
            return
        upto = int(ack.upto_seq)
        if upto > self._outbox.head:
            self._never_given_out(subscriber)
        elif ack.upto_id is None:
            self._confirmed(subscriber, ack)
        else:
            known = self._outbox.call(lambda db: db.execute(_ID_OF, {"seq": upto}).fetchone())
            known.add_done_callback(lambda found: self._compared(subscriber, ack, found))

    def _compared(self, subscriber: str, ack: Ack, known: Future[tuple[str | None] | None]) -> None:
        """Take *ack* if it means the event that has this number here. Called in the store's thread."""
        if known.exception() is not None:  # the outbox has failed, and says so itself
            return
        if (found := known.result()) is None or found[0] in (None, ack.upto_id):  # of a damaged one no id is left
            self._confirmed(subscriber, ack)
            return
        self._never_given_out(subscriber)
        self._compared_wants.append(((subscriber, "proof"), [(int(ack.upto_seq), int(ack.upto_seq))], 0))
        self._wake()

    def _confirmed(self, subscriber: str, ack: Ack) -> None:
        """Delete what may go, and send what is missing. Also called in the store's thread."""
        acks = self.acks
        if subscriber not in acks:
            return  # it has left the configuration meanwhile
        upto, missing = int(ack.upto_seq), self._inside(ack.epoch, ack.missing)
        acks[subscriber] = LastAck(max(upto, acks[subscriber].upto), time.time())
        self._outbox.confirm(subscriber, upto, missing)
        self._compared_wants.append(((subscriber, "ack"), missing, upto))
        self._wake()

    def _never_given_out(self, subscriber: str) -> None:
        """Delete nothing for an acknowledgement that means events of a newer copy of this store."""
        self.foreign_acks += 1
        if logs.worth_a_line(self.foreign_acks):
            fields = {"code": "SUB-116", "subscriber": subscriber, "count": self.foreign_acks}
            _log.error("a subscriber has more than this store ever gave out: was an old copy restored?",
                       extra={"fields": fields})  # fmt: skip

    def _inside(self, epoch: int, ranges: Sequence[tuple[str, str]]) -> Ranges:
        """Return *ranges* as numbers, without what was never given out."""
        head = self._outbox.head if epoch == self._outbox.epoch else 0
        pairs = [(max(int(first), 1), min(int(last), head)) for first, last in ranges]
        return [(first, last) for first, last in pairs if first <= last]

    def _named(self, who: tuple[str, str], missing: Ranges, upto: int) -> None:
        """Note what an acknowledgement names, in place of what the last one named.

        One that names nothing cancels nothing but what it confirms: the rest of the last answer is on its way.
        """
        left = [(max(first, upto + 1), last) for first, last in self._wanted.get(who, ()) if last > upto]
        self._want(who, missing or left)

    def _want(self, who: tuple[str, str], ranges: Iterable[tuple[int, int]]) -> None:
        """Note what *who* is to get again: for an acknowledgement in place of what the last one named."""
        self._wanted[who] = deque(ranges)
        if self._wanted[who]:
            self._wake()
        else:
            del self._wanted[who]

    def _came(self, subscriber: str, first: int, last: int, future: Future[dict[int, Row | Buried]]) -> None:
        try:
            known = future.result()
            for seq in range(first, last + 1):
                self._ready.extend(self._again(subscriber, seq, known.get(seq)))
        except EdgeError as error:  # the outbox has failed, and says so itself
            _log.debug(error.message)
        finally:
            self._fetching = False
            self._wake()

    def _again(self, subscriber: str, seq: int, row: Row | Buried | None) -> list[Message]:
        """Return the messages that answer for *seq*: the event's views, or its tombstone."""
        topic = self._topics.replayed(subscriber)
        if not isinstance(row, Row) or row.refused is not None:
            stands_for = StandsFor(reason="confirmed-and-deleted")
            if row is not None:
                reason = row.reason if isinstance(row, Buried) else "quarantined"
                stands_for = StandsFor(reason=reason, id=row.id, type=row.type)
            original = self._topics.event("system/window/tombstone")
            return [_replayed(topic, original, self._tombstone(seq, stands_for), EVENT_TYPE)]
        views = [_replayed(topic, self._topics.event(row.topic), row.public, EVENT_TYPE)]
        if row.sealed is not None:
            views.append(_replayed(topic, self._topics.sealed(row.topic), row.sealed, SEALED_TYPE))
        return views

    def _bad(self, what: str, subscriber: str) -> None:
        self.bad_messages += 1
        if logs.worth_a_line(self.bad_messages):
            fields = {"subscriber": subscriber, "count": self.bad_messages}
            _log.warning("ignored: %s", what, extra={"fields": fields})


def _request(payload: bytes) -> ReplayRequest | BlobReplayRequest:
    """Return which of the two it is: no member of the one may stand in the other."""
    try:
        return msgspec.json.decode(payload, type=ReplayRequest)
    except msgspec.ValidationError:
        return msgspec.json.decode(payload, type=BlobReplayRequest)


def _replayed(topic: str, original: str, payload: bytes, content_type: str) -> Message:
    return Message(topic, payload, content_type=content_type, user=(("replayed", "true"), ("topic", original)))


def _last_acks(db: sqlite3.Connection) -> list[tuple[str, int, float | None]]:
    return [(name, mark.upto, mark.acked) for name, mark in read_marks(db).items()]
