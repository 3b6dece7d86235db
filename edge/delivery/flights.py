"""What is under way to the broker: the window, the parts of each event, and how far the broker has taken them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.delivery.link_errors import FIRST_FAILURE, QUOTA_EXCEEDED
from edge.delivery.transport import Message

ACK_LIMIT_S = 5.0  # no PUBACK at all for so long means a half-open link
_LOST_S = 60.0  # one PUBACK so late, while others come, was forgotten by the broker
TRIES = 3
AGAIN_S = 1.0
_QUOTA_TIMES = 10  # a quota needs longer to have room again
_PARDON_S = 300.0  # a state that was refused for good is tried again: somebody may have mended the access list


@dataclass(slots=True)
class Flight:
    """One message; *seq* is 0 for what is no event. *sent* is on the monotonic clock."""

    message: Message
    seq: int = 0
    refused: int = 0
    sent: float = 0.0
    size: int = 0

    @property
    def bytes(self) -> int:
        """The size of its packet, at most; counted once."""
        self.size = self.size or self.message.packet_bytes
        return self.size

    @property
    def key(self) -> int | str | None:
        """What it is known by over breaks: an event's seq, a state's topic; ``None``: a reply."""
        return self.seq or (self.message.topic if self.message.retain else None)


class Flights:
    """The book-keeping of one connection after the other. Used in the MQTT thread; others may read the numbers.

    ``sent`` is the last ``seq`` handed to the connection. Everything up to ``brokered`` the broker has taken, or
    it was given up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.sent = 0
        self.brokered = 0
        self.handed = 0
        """The last ``seq`` that was ever handed to a connection: unlike ``sent`` it does not go back at a break."""
        self.taken = self.events = 0
        """How many messages the broker has taken, and how many of them belonged to events."""
        self.bytes = 0
        """The size of what waits for its PUBACK."""
        self._muted: dict[str, float] = {}  # states given up, and when
        self._clock = clock
        self._flying: dict[int, Flight] = {}
        self._again: list[tuple[float, Flight]] = []
        # How often events and states were refused, by seq or topic. Kept over a break: mosquitto 2.0.11 ends the
        # connection behind every PUBACK that refuses something.
        self._refusals: dict[int | str, int] = {}
        self._parts: dict[int, int] = {}  # views of an event that the broker has not taken, in order of seq
        self._heard = 0.0  # when the last PUBACK came

    def __len__(self) -> int:
        """Return how many messages wait for their PUBACK."""
        return len(self._flying)

    @property
    def retrying(self) -> bool:
        return bool(self._again)

    def flying(self) -> list[Flight]:
        """Return what waits for its PUBACK, in order of sending."""
        return list(self._flying.values())

    def muted(self) -> list[str]:
        """Return the topics of states that the broker refuses. Any thread."""
        return list(self._muted)

    def mute(self, topic: str) -> None:
        """Give a state up, for a while."""
        self._muted[topic] = self._clock()
        self._refusals.pop(topic, None)

    def under_way(self) -> set[int]:
        """Return the seqs of what waits for its PUBACK, 0 for what is no event."""
        return {flight.seq for flight in self._flying.values()}

    def restart(self) -> list[Message]:
        """Begin anew behind what the broker has taken; return what was under way, is no event and was not refused."""
        left = list(self._flying.values())
        self._flying.clear()
        self._again.clear()
        self._parts.clear()
        self.bytes = 0
        self.sent = self.brokered
        return [flight.message for flight in left if not flight.seq]

    def begin(self, seq: int, parts: int) -> None:
        """Note that the event *seq* goes out next, in so many parts; 0: it was given up before."""
        self.sent = seq
        self.handed = max(self.handed, seq)
        if parts:
            self._parts[seq] = parts
        self.advance()

    def wanted(self, flight: Flight) -> bool:
        """Return whether *flight* still has to go out: its event, or its state, was not given up."""
        if flight.seq:
            return flight.seq in self._parts
        given_up_at = self._muted.get(flight.message.topic)
        return given_up_at is None or self._clock() - given_up_at > _PARDON_S

    def took_off(self, mid: int, flight: Flight) -> None:
        """Note that *flight* was handed to the connection as packet *mid*."""
        flight.sent = self._clock()
        self.bytes += flight.bytes
        self._flying[mid] = flight

    def acknowledged(self, mid: int, reason: int) -> Flight | None:
        """Take a PUBACK; return the flight it was for."""
        flight = self._flying.pop(mid, None)
        if flight is None:
            return None  # it says nothing of what we wait for
        self._heard = self._clock()
        self.bytes -= flight.bytes
        if reason < FIRST_FAILURE:
            self.taken += 1
            self.events += flight.seq > 0
            self._refusals.pop(flight.message.topic, None)
            self._muted.pop(flight.message.topic, None)
            if flight.seq in self._parts:
                self._parts[flight.seq] -= 1
                if not self._parts[flight.seq]:
                    self._forget(flight.seq)
        return flight

    def try_again(self, flight: Flight, reason: int) -> bool:
        """Put a refused *flight* back, to go out again after 1 s, then 2 s; return whether it has a try left.

        A reason that says "quota exceeded" makes it ten times as long.
        """
        key = flight.key
        flight.refused = 1 + (flight.refused if key is None else self._refusals.get(key, flight.refused))
        if key is not None:
            self._refusals[key] = flight.refused
        if flight.refused >= TRIES:
            if isinstance(key, str):
                self.mute(key)
            return False
        wait_s = AGAIN_S * 2 ** (flight.refused - 1) * (_QUOTA_TIMES if reason == QUOTA_EXCEEDED else 1)
        self._again.append((self._clock() + wait_s, flight))
        return True

    def due(self) -> Flight | None:
        """Return a flight whose time to go out again has come."""
        for number, (at, flight) in enumerate(self._again):
            if at <= self._clock():
                del self._again[number]
                return flight
        return None

    def give_up(self, seq: int) -> bool:
        """Wait no longer for any part of the event *seq*; return whether it was waited for."""
        self._again = [(at, flight) for at, flight in self._again if flight.seq != seq]
        known = seq in self._parts
        self._forget(seq)
        return known

    def _forget(self, seq: int) -> None:
        self._parts.pop(seq, None)
        self._refusals.pop(seq, None)
        self.advance()

    def advance(self) -> None:
        """Everything before the first part not taken is with the broker (parts are in order of sending)."""
        self.brokered = max(self.brokered, next(iter(self._parts)) - 1 if self._parts else self.sent)

    def overdue(self) -> bool:
        """Return whether the broker should have acknowledged by now."""
        oldest = next(iter(self._flying.values()), None)
        if oldest is None:
            return False
        now = self._clock()
        return now - max(oldest.sent, self._heard) > ACK_LIMIT_S or now - oldest.sent > _LOST_S
