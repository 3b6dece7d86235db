"""A publisher with its outbox, on a broker of the test's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.delivery.publisher import Publisher
from edge.delivery.replays import Replays
from edge.delivery.topics import Topics
from edge.delivery.transport import BrokerAddress, Message
from edge.events import StandsFor
from edge.store.outbox import Outbox, Row
from tests.core.store_rig import render
from tests.support.wait import wait_until
from tests.support.window import BASE, HALL, WINDOW

CLIENT_ID = f"hall-edge-{HALL}-{WINDOW}"


def state(text: str, name: str = "status") -> Message:
    """Return a retained message of the window."""
    return Message(f"{BASE}/{name}", text.encode(), retain=True)


class Sender:
    """What is between a commit and the broker, with what it reports."""

    def __init__(
        self, folder: Path, port: int, *, window: int = 200, subscribers: Sequence[str] = (), **login: Any
    ) -> None:
        self.on_message: Callable[[Message], None] = lambda _message: None
        self.refused: list[tuple[int, int]] = []
        topics = Topics(HALL, WINDOW)
        address = BrokerAddress("127.0.0.1", port, CLIENT_ID, **login)
        self.publisher = Publisher(
            address,
            topics,
            window,
            lambda: state("offline"),
            self._hear,
            lambda *pair: self.refused.append(pair),
        )
        self.outbox = Outbox(folder / "outbox.db", render, self.publisher.offer, subscribers)
        self.outbox.open()
        self.replays = Replays(self.outbox, topics, subscribers, _tombstone, self.publisher.wake)

    def _hear(self, message: Message) -> None:
        self.on_message(message)

    def start(self) -> None:
        self.publisher.keep(state("online"))
        self.publisher.start(self.outbox, self.replays)

    def commit(self, *drafts: Any) -> list[Row]:
        return self.outbox.commit(drafts)

    def wait_up(self, connects: int = 1, deadline_s: float = 10) -> None:
        def up() -> bool:
            return self.publisher.link == "up" and self.publisher.connects >= connects

        wait_until(up, deadline_s, f"connected {connects} times")

    def wait_brokered(self, seq: int, deadline_s: float = 10) -> None:
        wait_until(lambda: self.publisher.brokered >= seq, deadline_s, f"the broker has {seq}")

    def wait_problem(self, code: str, deadline_s: float = 10) -> None:
        def told() -> bool:
            return self.publisher.problem is not None and self.publisher.problem.code == code

        wait_until(told, deadline_s, code)

    def close(self) -> None:
        self.publisher.stop(state("offline"), 5.0)
        self.outbox.close()


def _tombstone(seq: int, stands_for: StandsFor) -> bytes:
    return f"tombstone {seq} {stands_for.reason}".encode()


@contextmanager
def sending(folder: Path, port: int, *, start: bool = True, **more: Any) -> Iterator[Sender]:
    """Lend a sender; the link may be down or up when it is lent."""
    sender = Sender(folder, port, **more)
    try:
        if start:
            sender.start()
        yield sender
    finally:
        sender.close()
