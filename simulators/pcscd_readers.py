"""Keep what pcscd keeps: readers, the cards in them, who is connected and how. No sockets, no threads, no time."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators import pcscd_wire as wire
from simulators.cards import T0, T1, Card
from simulators.pcscd_wire import Result

OTHER = -1
"""The handle of the other program that ``hold`` stands for."""
TORN = {"removed": Result.REMOVED, "failed": Result.NOT_TRANSACTED, "reset": Result.RESET}


@dataclass
class Reader:
    """One slot. ``age`` grows with every card and every reset: older handles have to hear of it."""

    name: str
    card: Card | None = None
    events: int = 0
    sharing: int = 0
    age: int = 0
    removals: int = 0
    locked_by: int | None = None
    tear_left: int | None = None
    tear_result: Result = Result.REMOVED

    def packed(self) -> bytes:
        """Write the 184 bytes of a reader's state."""
        state, atr = wire.ABSENT, b""
        if self.card is not None:
            powered = wire.SWALLOWED if self.card.mute else wire.POWERED | wire.NEGOTIABLE
            state, atr = wire.PRESENT | powered, self.card.atr
        protocol = self.card.protocols if self.card else 0
        return wire.READER.pack(
            self.name.encode(), self.events, state, self.sharing, atr.ljust(33, b"\0"), len(atr), protocol
        )

    def insert(self, card: Card) -> None:
        """Take a card, and give it power."""
        self.card = card
        card.power_on()
        self._changed()

    def remove(self) -> None:
        """Give the card back."""
        if self.card is not None:
            self.card = None
            self.removals += 1
            self.locked_by = self.locked_by if self.locked_by == OTHER else None
            self._changed()

    def reset(self) -> None:
        """Reset the card: who is connected has to connect again."""
        if self.card is not None:
            self.age += 1
            self.card.power_on()

    def _changed(self) -> None:
        self.events += 1
        self.age += 1
        self.tear_left = None if self.card is None else self.tear_left

    def torn_by(self, count: int) -> bool:
        """Let so many bytes pass between reader and card; tell whether it is torn out at one of them."""
        if self.tear_left is None:
            return False
        self.tear_left -= count
        return self.tear_left < 0


@dataclass
class Handle:
    """One connection of a client to a reader."""

    reader: Reader
    age: int
    share: int
    protocol: int


@dataclass
class Readers:
    """All of it. ``counters`` is told how many handles are open."""

    counters: Counter[str]
    seats: list[Reader] = field(default_factory=list)
    handles: dict[int, Handle] = field(default_factory=dict)
    plugs: int = 0
    denies_cards: bool = False

    def __post_init__(self) -> None:
        self._numbers = itertools.count(0x1000)

    def new_number(self) -> int:
        """Give a number that was never given: clients go mad otherwise."""
        return next(self._numbers)

    def packed(self, count: int) -> bytes:
        """Write the states of all readers, filled up with empty places."""
        return b"".join(reader.packed() for reader in self.seats[:count]).ljust(wire.READER.size * count, b"\0")

    def find(self, name: str) -> Reader | None:
        """Give the reader of this name."""
        return next((reader for reader in self.seats if reader.name == name), None)

    def unplug(self, reader: Reader) -> None:
        """Take a reader away; its card goes with it."""
        if reader in self.seats:
            self.seats.remove(reader)
            self.plugs += 1
            reader.remove()

    def plug(self, reader: Reader) -> None:
        """Bring a reader."""
        if reader not in self.seats:
            self.seats.append(reader)
            self.plugs += 1

    def look(self, number: int, *, stale_ok: bool = False) -> tuple[Handle | None, Result]:
        """Find a handle, and what has become of it."""
        handle = self.handles.get(number)
        if handle is None:
            return None, Result.INVALID_HANDLE
        if handle.reader not in self.seats:
            return None, Result.READER_UNAVAILABLE
        if handle.reader.age != handle.age and not stale_ok:
            return None, Result.REMOVED if handle.reader.card is None else Result.RESET
        return handle, Result.OK

    def connect(self, name: str, share: int, protocols: int) -> tuple[int, int, Result]:
        """Connect; give handle, protocol and result."""
        reader = self.find(name)
        result, protocol = self._may_connect(reader, share, protocols)
        if reader is None or result != Result.OK:
            return 0, 0, result
        number = self.new_number()
        self.handles[number] = Handle(reader, reader.age, share, protocol)
        reader.sharing = -1 if share == wire.EXCLUSIVE else reader.sharing + 1
        self.counters["handles_open"] += 1
        return number, protocol, result

    def _may_connect(self, reader: Reader | None, share: int, protocols: int) -> tuple[Result, int]:
        if reader is None:
            return Result.UNKNOWN_READER, 0
        if self.denies_cards:
            return Result.SECURITY_VIOLATION, 0
        if reader.sharing < 0 or (share == wire.EXCLUSIVE and reader.sharing):
            return Result.SHARING_VIOLATION, 0
        if share == wire.DIRECT:
            return Result.OK, 0
        return _protocol(reader.card, protocols)

    def reconnect(self, number: int, protocols: int, initialisation: int) -> tuple[int, Result]:
        """Take the card that is there now."""
        handle, result = self.look(number, stale_ok=True)
        if handle is None:
            return 0, result
        result, handle.protocol = _protocol(handle.reader.card, protocols)
        if result == Result.OK and handle.reader.card is not None:
            if initialisation != wire.LEAVE:
                handle.reader.reset()
            handle.age = handle.reader.age
        return handle.protocol, result

    def disconnect(self, number: int, disposition: int) -> Result:
        """Let go."""
        handle = self.handles.pop(number, None)
        if handle is None:
            return Result.INVALID_HANDLE
        reader = handle.reader
        self.counters["handles_open"] -= 1
        reader.sharing = 0 if handle.share == wire.EXCLUSIVE else max(0, reader.sharing - 1)
        if reader.locked_by == number:
            reader.locked_by = None
        if disposition != wire.LEAVE and reader.age == handle.age:
            reader.reset()
        return Result.OK

    def begin(self, number: int) -> Result:
        """Lock the card for one client; the others try again by themselves."""
        handle, result = self.look(number)
        if handle is not None:
            if handle.reader.locked_by not in (None, number):
                return Result.SHARING_VIOLATION
            handle.reader.locked_by = number
            self.counters["transactions"] += 1
        return result

    def end(self, number: int) -> Result:
        """Unlock it."""
        handle = self.handles.get(number)
        if handle is not None and handle.reader.locked_by == number:
            handle.reader.locked_by = None
        return self.look(number)[1]

    def transmit(self, number: int, apdu: bytes, wait: Callable[[float], None]) -> tuple[bytes, Result]:
        """Carry an APDU to the card and its answer back, unless the card is torn out on the way."""
        handle, result = self.look(number)
        if handle is None:
            return b"", result
        reader = handle.reader
        if reader.locked_by not in (None, number):
            return b"", Result.SHARING_VIOLATION
        card = reader.card
        if card is None or reader.torn_by(len(apdu)):
            return b"", self._torn(reader)
        pins = card.pin_commands
        self.counters["apdus"] += 1
        answer = card.transmit(apdu)
        self.counters["pin_commands"] += card.pin_commands - pins
        if card.delay_s:
            wait(card.delay_s)
            if (late := self.look(number)[1]) != Result.OK:
                return b"", late
        if reader.torn_by(len(answer)):
            return b"", self._torn(reader)
        self.counters["card_bytes"] += len(apdu) + len(answer)
        return answer, Result.OK

    def _torn(self, reader: Reader) -> Result:
        """Remove the card now, or leave it to the caller where pcscd learns of it later."""
        self.counters["torn"] += 1
        if reader.tear_result == Result.REMOVED:
            reader.remove()
        elif reader.tear_result == Result.RESET and reader.card is not None:
            reader.tear_left = None
            reader.reset()
        return reader.tear_result


def _protocol(card: Card | None, protocols: int) -> tuple[Result, int]:
    """Choose T=1 before T=0, as far as both can."""
    if card is None:
        return Result.NO_CARD, 0
    if card.mute:
        return Result.UNRESPONSIVE, 0
    common = card.protocols & protocols
    if not common:
        return Result.PROTOCOL_MISMATCH, 0
    return Result.OK, T1 if common & T1 else T0
