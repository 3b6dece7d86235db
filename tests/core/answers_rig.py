"""The replays of a store with two subscribers, as the MQTT thread uses them."""

from __future__ import annotations

import json
from typing import Any

from edge.delivery.replays import Replays
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.events import StandsFor
from tests.core.store_rig import Desk
from tests.support.wait import wait_until
from tests.support.window import HALL, WINDOW

OFFICE, ARCHIVE = "case-system", "archive"


class Answers:
    """The replays of a store with two subscribers, as the MQTT thread uses them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.woken = 0
        self.stands_for: dict[int, StandsFor] = {}
        topics = Topics(HALL, WINDOW)
        self.replays = Replays(desk.outbox, topics, [OFFICE, ARCHIVE], self._tombstone, self._wake)

    def ack(
        self, subscriber: str, upto: int, missing: Any = (), epoch: int | None = None, *, upto_id: str | None = None
    ) -> None:
        pairs = [[str(first), str(last)] for first, last in missing]
        body = {"epoch": self._epoch(epoch), "upto_seq": str(upto), "missing": pairs}
        body |= {"upto_id": upto_id} if upto_id else {}
        self.replays.heard("ack", subscriber, json.dumps(body).encode())

    def ask(self, subscriber: str, first: int, last: int, epoch: int | None = None) -> None:
        body = {"epoch": self._epoch(epoch), "from_seq": str(first), "to_seq": str(last)}
        self.replays.heard("replay", subscriber, json.dumps(body).encode())

    def take(self, count: int) -> list[Message]:
        """Return the next *count* messages; each is there within the usual deadline."""
        return [wait_until(self.replays.next_message, what=f"message {number}") for number in range(count)]

    def silent(self) -> bool:
        """Return whether nothing more comes: the outbox has answered what it was asked."""
        for _ in range(3):
            if self.replays.next_message() is not None:
                return False
            self.desk.outbox.call(lambda _db: None).result()
        return True

    def _epoch(self, epoch: int | None) -> int:
        return self.desk.outbox.epoch if epoch is None else epoch

    def _tombstone(self, seq: int, stands_for: StandsFor) -> bytes:
        self.stands_for[seq] = stands_for
        return f"tombstone {seq}".encode()

    def _wake(self) -> None:
        self.woken += 1
