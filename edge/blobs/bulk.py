"""The bulk connection: sends blobs in parts, in order of their events, with little in flight.

It has a client id, a thread and a window of its own, so that pictures never stand before an event. After a break
it goes on behind the last part the broker has taken; after a restart of the daemon at most 64 parts before that.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import replace

from edge.blobs import rows
from edge.blobs.answers import MANIFEST_TYPE, PART_TYPE, Answers, manifest
from edge.blobs.files import BlobFiles, LostBlob
from edge.blobs.plan import Outgoing, Plan
from edge.blobs.rows import Parked, StoredBlob
from edge.delivery.connection import Connection
from edge.delivery.flights import Flight
from edge.delivery.topics import Topics
from edge.delivery.transport import BrokerAddress, Message, Transport
from edge.store.outbox import Outbox
from edge.wire import BlobReplayRequest

WINDOW = 8
"""So many parts, half a megabyte, are in flight: enough to fill 100 Mbit/s over 40 ms, too little to fill a queue."""
MOST_PART_BYTES = 96 * 1024  # any packet's limit
_NOTE_PARTS = 64
_IDLE_S = 0.5  # see edge.delivery.publisher
_PAGE = 50
_SUFFIX = "-bulk"


class Bulk(Connection):
    """Owns the bulk thread, which begins with the first blob. Public methods may be called from any thread."""

    def __init__(self, address: BrokerAddress, topics: Topics, files: BlobFiles, outbox: Outbox) -> None:
        super().__init__("bulk", _own(address), lambda: None, lambda _message: None, ())
        self.answers = Answers(outbox, topics, files, self.wake, self._handed)
        self.before_pause = files.sweep
        self._topics, self._files, self._outbox = topics, files, outbox
        self._plan = Plan()
        self._pages: deque[list[StoredBlob]] = deque()
        self._news = True
        self._loading = False
        self._unanswered: deque[Message] = deque()
        self._answers_next = False
        self._starting = threading.Lock()

    def renew(self, address: BrokerAddress) -> None:
        """Use another broker, or another way to it, from now on."""
        own = _own(address)
        if own != self._address:
            self.go_to(own)

    def changed(self, gone: list[str]) -> None:
        """Hear that there are new blobs, or that those named *gone* are to be removed."""
        self._files.doom(gone)
        self._news = True
        if self.begun or self._outbox.blobs.waiting:
            self._begin()
        else:
            self._files.sweep()

    def ask(self, subscriber: str, request: BlobReplayRequest) -> None:
        """Send again what *subscriber* asks for."""
        self.answers.ask(subscriber, request)
        self._begin()

    @property
    def begun(self) -> bool:
        """Whether there was anything to do yet."""
        return self._thread.ident is not None

    def _begin(self) -> None:
        with self._starting:
            if not self.begun and not self._stopping.is_set():
                self._thread.start()
        self.wake()

    # -- the bulk thread ----------------------------------------------------------------------------

    def _connected(self, transport: Transport) -> None:
        self._unanswered.extendleft(reversed(self._flights.restart()))
        super()._connected(transport)
        self._breaks.up(window=min(WINDOW, transport.receive_maximum))

    def _serve(self, transport: Transport) -> None:
        while not self._stopping.is_set():
            self._pump(transport, WINDOW, WINDOW * MOST_PART_BYTES)
            self._files.sweep()
            transport.pass_once(0.1 if self._flights.retrying else _IDLE_S)
            self._read_acks(transport)
            self._look_for_move()
            for seq, parts in self._plan.progress(self._flights.brokered, _NOTE_PARTS):
                self._note(seq, parts)
        for seq, parts in self._plan.progress(self._flights.brokered, 1):
            self._note(seq, parts)

    def _next(self, transport: Transport) -> Flight | None:
        flight = self._flights.due()
        if flight is not None or self._stopping.is_set():
            return flight
        self._answers_next = not self._answers_next  # who asks for much must not hold up what is new
        for turn in (self._answers_next, not self._answers_next):
            flight = self._next_answer(transport) if turn else self._next_part(transport)
            if flight is not None:
                return flight
        return None

    def _next_answer(self, transport: Transport) -> Flight | None:
        while True:
            message = self._unanswered.popleft() if self._unanswered else self.answers.next_message()
            if message is None:
                return None
            if message.packet_bytes <= transport.max_packet_bytes and self._flights.wanted(Flight(message)):
                return Flight(message)

    def _next_part(self, transport: Transport) -> Flight | None:
        while True:
            number = self._flights.sent + 1
            outgoing = self._plan.at(number)
            if outgoing is None:
                if not self._load():
                    return None
                continue
            try:
                message = self._message(outgoing, number)
            except LostBlob:
                self._park(outgoing, "lost")
                continue
            if message.packet_bytes > transport.max_packet_bytes:
                self._park(outgoing, "refused")
                continue
            self._flights.begin(number, 1)
            return Flight(message, number)

    def _message(self, outgoing: Outgoing, number: int) -> Message:
        blob, part = outgoing.blob, outgoing.part(number)
        if part is None:
            body = manifest(blob, self._outbox.epoch)
            return Message(self._topics.manifest(blob.id), body, content_type=MANIFEST_TYPE)
        return Message(self._topics.part(blob.id, part), self._files.part(blob, part), content_type=PART_TYPE)

    def _load(self) -> bool:
        """Look for more blobs; return whether some are here now."""
        if self._pages:
            self._plan.add(self._pages.popleft())
            return True
        if self._news and not self._loading and not self._outbox.failed:
            self._news, self._loading = False, True
            after = self._plan.loaded_upto
            self._outbox.call(lambda db: rows.unsent(db, after, _PAGE)).add_done_callback(self._came)
        return False

    def _came(self, future: Future[list[StoredBlob]]) -> None:
        if future.exception() is None and (page := future.result()):
            self._pages.append(page)
            self._news = True  # there may be more behind it
        self._loading = False
        self.wake()

    def _note(self, seq: int, parts: int) -> None:
        self._outbox.call(lambda db: self._outbox.blobs.took(db, seq, parts))

    def _handed(self, blob: StoredBlob) -> int:
        return self._plan.handed(blob, self._flights.sent)

    def _refuse(self, seq: int, reason: int) -> None:
        outgoing = self._plan.holding(seq)
        if outgoing is not None:
            self._park(outgoing, "refused", reason)

    def _park(self, outgoing: Outgoing, why: Parked, reason: int = 0) -> None:
        """Give a blob up; the queue goes on."""
        fields = {"blob": outgoing.blob.id, "why": why, "reason": f"0x{reason:02x}"}
        self._log.error("a blob is not sent any more", extra={"fields": fields})
        self._plan.drop(outgoing)
        for number in range(outgoing.first, min(outgoing.last, self._flights.sent) + 1):
            self._flights.give_up(number)
        if self._flights.sent < outgoing.last:
            self._flights.begin(outgoing.last, 0)
        seq = outgoing.blob.seq
        self._outbox.call(lambda db: self._outbox.blobs.park(db, seq, why))


def _own(address: BrokerAddress) -> BrokerAddress:
    """Return *address* for a connection of its own."""
    return replace(address, client_id=address.client_id + _SUFFIX)
