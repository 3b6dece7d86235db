"""Links move bytes and turn operating-system errors into ours; nothing above them sees ``OSError``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class SerialLine:
    """Line settings a driver asks for; what the address says explicitly wins."""

    baud: int = 9600
    data_bits: int = 8
    parity: str = "N"  # N, E, O
    stop_bits: int = 1


Line = SerialLine
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
