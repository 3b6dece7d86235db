"""Links move bytes and turn operating-system errors into ours; nothing above them sees ``OSError``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class SerialLine:
    """Line settings a driver asks for; what the address says explicitly wins."""

    baud: int = 9600
    data_bits: int = 8
    parity: str = "N"  # N, E, O
    stop_bits: int = 1


@dataclass(frozen=True)
class UsbLine:
    """How a driver's bytes lie on the bulk endpoints of USB interface 0.

    A device with one pair of endpoints gets and gives whole frames over it. One with two pairs gets the first
    ``head_bytes`` of every write over the first pair and the rest over the second, and answers likewise.
    """

    head_bytes: int = 0
    """0: one pair, whatever the device has."""
    body_bytes: Callable[[bytes], int | None] = lambda _: None
    """Returns how many bytes follow the head that it is given; ``None``: that is no head."""


@dataclass(frozen=True)
class HidLine:
    """What is wanted of a HID device; its size limits are the kernel's.

    ``keys``: it is a keyboard, taken for this program alone; what is read are ``struct input_event`` of 24 bytes.
    ``reports``: what is read is one input report a time, what is written is one output report, each with its
    report number first where the device has numbered reports (written: always, 0 where it has none).
    """

    kind: Literal["keys", "reports"]


Line = SerialLine | UsbLine | HidLine
"""What a driver may ask of the link it opens."""


class Link(Protocol):
    """A byte stream to one device. Not thread-safe but for :meth:`wake` and :meth:`close`."""

    @property
    def simulated(self) -> bool:
        """Whether the other end is known to be no real device (a pseudo-terminal, a recording)."""

    def read(self, wait_s: float) -> bytes:
        """Return what has arrived (at most 4096 bytes), or ``b""`` when nothing does within *wait_s*.

        Not ended by :meth:`wake`: an exchange under way is finished. Raises ``DeviceLost``.
        """

    def idle(self, wait_s: float) -> bool:
        """Wait for input at most *wait_s*; return whether there is some. :meth:`wake` ends it early."""

    def write(self, data: bytes) -> None:
        """Write all of *data*; raises ``DeviceLost``, or ``DeviceTimeout`` when the device takes nothing."""

    def discard(self) -> None:
        """Drop what has been received and not read yet."""

    def set_baud(self, baud: int) -> None:
        """Change the line's rate; raises ``Unsupported`` where there is no line (TCP)."""

    def wake(self) -> None:
        """End the current or the next :meth:`idle` at once. Any thread."""

    def close(self) -> None:
        """Let go of the device. Idempotent, never raises. Any thread."""
