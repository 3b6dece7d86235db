"""What a broker remembers: sessions with their subscriptions and queues, and retained messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from simulators.mqtt_broker_packets import Publish, Will

_NEVER = 0xFFFFFFFF
_IDS = 65_535
_RETAIN_AS_PUBLISHED = 8


@dataclass(slots=True)
class Session:
    """One client, present or away."""

    client_id: str
    expiry_s: int = 0
    receive_maximum: int = 65_535
    max_packet: int = 1 << 28
    subscriptions: dict[str, int] = field(default_factory=dict)
    queue: deque[Publish] = field(default_factory=deque)
    in_flight: dict[int, Publish] = field(default_factory=dict)
    will: Will | None = None
    present: bool = False
    left: int = 0
    """How often it has left: a timer for a leaving that is over does nothing."""
    _last_mid: int = 0

    def take(self) -> Publish | None:
        """Give the next message that may go out now, with its packet id."""
        if not self.queue or (self.queue[0].qos and len(self.in_flight) >= self.receive_maximum):
            return None
        message = self.queue.popleft()
        if message.qos:
            message.mid = self._free_mid()
            self.in_flight[message.mid] = message
        return message

    def resume(self) -> None:
        """Put what was in flight before everything else, marked as a duplicate."""
        again = [replace(message, dup=True) for message in self.in_flight.values()]
        self.in_flight.clear()
        self.queue.extendleft(reversed(again))

    def _free_mid(self) -> int:
        while True:
            self._last_mid = self._last_mid % _IDS + 1
            if self._last_mid not in self.in_flight:
                return self._last_mid


class Memory:
    """All of it; a kill loses it."""

    def __init__(self, queue_limit: int = 1_000_000) -> None:
        self.sessions: dict[str, Session] = {}
        self.retained: dict[str, Publish] = {}
        self.overflowed = 0
        """Messages dropped because a queue was full."""
        self.queue_limit = queue_limit

    def forget(self) -> None:
        """Lose everything."""
        self.sessions.clear()
        self.retained.clear()

    def begin(self, client_id: str, *, clean: bool) -> tuple[Session, bool]:
        """Give the session of a client that connects, and whether it is an old one."""
        old = None if clean else self.sessions.get(client_id)
        session = old or Session(client_id)
        self.sessions[client_id] = session
        if old:
            session.resume()
        session.present = True
        return session, old is not None

    def keeps(self, session: Session) -> bool:
        """Tell whether a session outlives its connection."""
        return session.expiry_s > 0

    def drop(self, session: Session) -> None:
        """End a session."""
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def route(self, message: Publish) -> list[Session]:
        """Keep *message* if it is retained, queue it for whoever subscribed, and give those."""
        if message.retain:
            if message.payload:
                self.retained[message.topic] = message
            else:
                self.retained.pop(message.topic, None)
        reached = []
        for session in list(self.sessions.values()):
            options = [options for wanted, options in session.subscriptions.items() if matches(wanted, message.topic)]
            if options:
                reached.append(session)
                self._queue(session, message, max(options, key=lambda one: one & 3), live=True)
        return reached

    def subscribe(self, session: Session, wanted: str, options: int) -> None:
        """Add a subscription, and queue the retained messages it asks for."""
        handling, known = options >> 4 & 3, wanted in session.subscriptions
        session.subscriptions[wanted] = options
        if handling == 0 or (handling == 1 and not known):
            for topic, message in list(self.retained.items()):
                if matches(wanted, topic):
                    self._queue(session, message, options, live=False)

    def _queue(self, session: Session, message: Publish, options: int, *, live: bool) -> None:
        own = replace(message, qos=min(message.qos, options & 3), mid=0, dup=False)
        own.retain = message.retain if not live or options & _RETAIN_AS_PUBLISHED else False
        if not session.present and not own.qos:
            return
        if len(session.queue) >= self.queue_limit or len(own.encoded()) > session.max_packet:
            self.overflowed += 1
            return
        session.queue.append(own)


def expires(session: Session) -> bool:
    """Tell whether a session ends by itself one day."""
    return session.expiry_s != _NEVER


def matches(wanted: str, topic: str) -> bool:
    """Tell whether a filter with ``+`` and ``#`` covers a topic; neither covers ``$…`` at its beginning."""
    if topic.startswith("$") and wanted[:1] in ("+", "#"):
        return False
    levels = topic.split("/")
    for place, level in enumerate(wanted.split("/")):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return wanted.count("/") + 1 == len(levels)


def valid_filter(wanted: str) -> bool:
    """Tell whether ``#`` stands only at the end, and ``+`` and ``#`` alone in their level."""
    levels = wanted.split("/")
    alone = all(level in ("+", "#") or not {"+", "#"} & set(level) for level in levels)
    return bool(wanted) and alone and "#" not in levels[:-1]


def pending(session: Session) -> Iterator[Publish]:
    """Give what may go out to a session now."""
    take: Callable[[], Publish | None] = session.take
    while (message := take()) is not None:
        yield message
