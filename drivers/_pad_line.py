"""A pad's line, or what stands for one: frames out, signals in. Knows bytes and silences, but no session."""

from __future__ import annotations

from collections import deque

from drivers._pad_carrier import carrier
from drivers._pad_frame import Cutter
from drivers._pad_notation import Part
from drivers._pad_protocol import Protocol, Signal
from edge.driver import Port
from edge.errors import DeviceError, DeviceLost, DeviceProtocol
from edge.links import Link

STRANGE = ("unknown", "unmapped")
MOST_STRANGE_BYTES = 256
"""More than this, and nothing of it understood, is no noise: another device, or another profile's pad."""
WRONG = (
    "what sends at the pad's address says nothing that the profile knows",
    "put the pad's cable into its own port: another device is in it",
)


class PadLine:
    """The line to one pad; ``inbox`` holds what it said, ``heard_at`` is when it said the last of it."""

    def __init__(self, protocol: Protocol, address: int, port: Port) -> None:
        self.inbox: deque[Signal] = deque()
        self.heard_at = 0.0
        self.strange_bytes: int | None = 0
        """What has come before anything that the profile knows; ``None``: something has."""
        self._protocol = protocol
        self._address = address
        self._port = port
        self._cutter = Cutter(protocol.shape, address, protocol.gap_s)
        self._carrier = carrier(protocol.profile)
        self._link: Link | None = None

    @property
    def quiet_at(self) -> float:
        """Return when a frame that has begun is given up; in the past when there is none."""
        return self.heard_at + self._cutter.gap_s if self._cutter.pending else 0.0

    def open(self) -> None:
        """Open the line and write the profile's init bytes."""
        self._link = self._port.open(self._carrier.line)
        self.strange_bytes = 0
        self._forget()
        try:
            if self._protocol.init:
                self._link.write(self._carrier.pack(self._protocol.init))
        except DeviceError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the line. Idempotent, never raises."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._forget()

    def listen(self, wait_s: float) -> None:
        """Wait for bytes, read once, and put what they mean into the inbox."""
        link, cutter = self._open_link(), self._cutter
        if cutter.pending:
            wait_s = max(0.0, min(wait_s, self.quiet_at - self._port.monotonic()))
        # A wake-up can end idle() too early; what has begun is given up only when there are no bytes.
        data = link.read(0) if link.idle(wait_s) or cutter.pending else b""
        pieces = self._carrier.unpack(data) if data else []
        now = self._port.monotonic()
        bodies: list[bytes] = []
        if cutter.pending and now >= self.quiet_at and (not data or cutter.gap_ends_frames):
            bodies += cutter.silence()
        for piece in pieces:
            bodies += cutter.feed(piece)
            self.heard_at = now
        signals = [self._protocol.understand(body) for body in bodies]
        self.inbox.extend(signals)
        self._judge(signals, sum(map(len, pieces)))

    def frame(self, body: tuple[Part, ...], staff: int = 0, timeout_s: int = 0) -> bytes:
        """Return the frame for *body*; raises ``OverflowError`` when a value does not fit."""
        return self._protocol.frame(body, {"address": self._address, "staff": staff, "timeout": timeout_s})

    def write(self, frame: bytes) -> None:
        """Write *frame*; nothing when the profile has none."""
        if frame:
            self._open_link().write(self._carrier.pack(frame))

    def discard(self) -> None:
        """Drop all that was received, read or not."""
        self._open_link().discard()
        self._forget()

    def _open_link(self) -> Link:
        if self._link is None:
            raise DeviceLost("the pad is not open")
        return self._link

    def _judge(self, signals: list[Signal], size: int) -> None:
        """Count what comes before anything is understood; raises PAD-109 where that is too much for a pad."""
        if any(signal.what not in STRANGE for signal in signals):
            self.strange_bytes = None
        elif self.strange_bytes is not None:
            self.strange_bytes += size
            if self.strange_bytes > MOST_STRANGE_BYTES:
                raise DeviceProtocol(WRONG[0], code="PAD-109", action=WRONG[1])

    def _forget(self) -> None:
        self._cutter.reset()
        self._carrier.reset()
        self.inbox.clear()
