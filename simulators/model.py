"""Say what every simulated device has: ears, a mouth, a clock, and things a person can do to it."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.words import ScenarioError, Words


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that a device sends; ``kind`` is the command answered, or the head of a frame sent unasked."""

    data: bytes
    kind: bytes = b""
    after_s: float = 0.0
    pace_s: float = 0.0


def nothing_to_wait_for() -> bool:
    """Tell that a deed is over as soon as it was started."""
    return True


@dataclass(frozen=True, slots=True)
class Deed:
    """One checked action, ready to be done, maybe again and again.

    ``until_sent``: it is over only when the last byte has gone out as well.
    ``limit_s``: how long all that may take, None for the patience of whoever does it.
    """

    start: Callable[[float], list[Output]]
    finished: Callable[[], bool] = nothing_to_wait_for
    until_sent: bool = False
    limit_s: float | None = None


Binder = Callable[[Words], Deed]


class Model(ABC):
    """Behave like one kind of device, without any I/O: bytes and the time come in, bytes go out.

    ``baud`` is the only rate at which the device understands and is understood, 0 for any.
    ``kinds`` are the values that ``Output.kind`` can have.
    """

    summary: ClassVar[str]
    options: ClassVar[Mapping[str, str]]
    baud: int = 0
    garbles_wrong_baud: bool = False
    kinds: frozenset[bytes] = frozenset()

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.powered = False

    @abstractmethod
    def actions(self) -> Mapping[str, Binder]:
        """Name what a person can do; a binder checks the words and its docstring is the help."""

    def power_on(self, now: float) -> None:
        """Start as after plugging in."""
        del now
        self.powered = True

    def power_off(self) -> None:
        """Forget what a device forgets without power."""
        self.powered = False

    def receive(self, data: bytes, now: float) -> list[Output]:
        """Take bytes from the host, and answer."""
        del data, now
        return []

    def due(self, now: float) -> list[Output]:
        """Give what is to be sent because of the time."""
        del now
        return []

    def next_due(self) -> float | None:
        """Tell when ``due`` has something to say next."""
        return None

    def spoiled(self, data: bytes) -> bytes:
        """Give the same frame with a wrong checksum."""
        del data
        raise ScenarioError("this device has no checksum")


def flipped(data: bytes, index: int) -> bytes:
    """Turn over all bits of one byte, counted from the end when negative."""
    changed = bytearray(data)
    changed[index] ^= 0xFF
    return bytes(changed)


def baud_options(words: Words, baud: int, *, garbles: bool) -> tuple[int, bool]:
    """Read ``baud=`` and ``wrong-baud=`` as (rate or 0, answers garbage at a wrong rate)."""
    rate = words.number("baud", baud, 0, 4_000_000)
    manner = words.choice("wrong-baud", ("silent", "garbage"), "garbage" if garbles else "silent")
    return rate, manner == "garbage"


BAUD_HELP: Mapping[str, str] = {
    "baud": "the only rate the device works at; 0 = any",
    "wrong-baud": "silent or garbage: what the host hears at another rate",
}
