"""What a broker does wrong, on purpose, and to which of the messages it gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from simulators.mqtt_broker_packets import Publish
from simulators.mqtt_broker_sessions import matches

Deed = Literal[
    "forget",  # acknowledge it, and tell nobody
    "refuse",  # acknowledge it with a reason of 0x80 and above, and tell nobody
    "drop",  # neither acknowledge it nor tell anybody
    "silent",  # tell everybody, and never acknowledge it
    "hold",  # tell everybody, and acknowledge it when told to
    "late",  # tell everybody, and acknowledge it after a while
    "twice",  # tell everybody, and acknowledge it twice
    "stray",  # tell everybody, and acknowledge a message that was never sent before this one
    "disconnect",  # end the connection with a reason
    "cut",  # end the connection by a reset, without a word
]
DEEDS = frozenset(get_args(Deed))
ROUTED = frozenset(("silent", "hold", "late", "twice", "stray"))
"""Deeds after which subscribers get the message all the same."""


@dataclass(slots=True)
class Fault:
    """One deed, and which messages it is done to: all that match, or the ``nth`` of them, or so many ``times``."""

    deed: Deed
    reason: int = 0x87
    topic: str = "#"
    client: str = ""
    """Only what this client sends."""
    nth: int = 0
    times: int | None = None
    over: int = 0
    """Only packets of more than so many bytes."""
    after_s: float = 0.0
    seen: int = 0
    done: int = 0

    def strikes(self, message: Publish) -> bool:
        """Count *message* if it matches, and tell whether the deed is done to it."""
        wanted = matches(self.topic, message.topic) and self.client in ("", message.client_id)
        if not wanted or message.size <= self.over or self.done == self.times:
            return False
        self.seen += 1
        strikes = self.nth in (0, self.seen)
        self.done += strikes
        return strikes


@dataclass(slots=True)
class Faults:
    """All that is wrong with a broker at the moment."""

    publishes: list[Fault] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    """Properties of a CONNACK, by name; the broker keeps to them."""
    turn_away: Fault | None = None
    """The CONNACK's reason for those who come, while it strikes."""
    suback: int | None = None
    """The reason for every subscription."""
    frozen: bool = False
    """Takes bytes and does nothing."""
    deaf: bool = False
    """Does not even take bytes."""
    bytes_per_s: int | None = None
    """Takes no more than so many bytes a second from each connection."""
    mute_takeover: bool = False
    """Ends the connection of a client whose name another one uses, without saying why (as mosquitto 2.0.11 does)."""

    def of(self, message: Publish) -> Fault | None:
        """Give what is done to *message*: the first fault that strikes."""
        return next((fault for fault in self.publishes if fault.strikes(message)), None)
