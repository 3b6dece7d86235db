"""Replays a recording: a device's bytes from a file, on a clock of its own, always with the same result.

A recording is text, one step a line::

    # hall-edge recording 1 idcard_sdt
    > AA AA AA 96 69 00 03 11 FF ED      what the driver must write now (hex)
    < AA AA AA 96 69 00 04 00 00 90 94   what the device answers
    = 0.5                                nothing happens for so many seconds
    ! absent                             the device goes away here (also at the end of the file)

Options of the address: ``split=k`` breaks the device's stream at byte *k*, ``chunk=n`` hands over at most *n*
bytes a read. Waiting costs no time: the clock is the link's, and moves when a read finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DeviceAbsent, DeviceLost, DeviceProtocol


@dataclass(frozen=True)
class Step:
    """One line of a recording: ``sign`` is one of ``> < = !``."""

    sign: str
    data: bytes = b""
    seconds: float = 0.0


def read_recording(path: Path) -> list[Step]:
    """Return the steps of the recording in *path*; raises ``DeviceAbsent`` or ``DeviceProtocol`` with the line."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceAbsent(f"recording {path} cannot be read", code="REP-101", action="check the path") from error
    steps = []
    for number, line in enumerate(lines, 1):
        sign, _, rest = line.partition("#")[0].strip().partition(" ")
        try:
            if sign in ("<", ">"):
                steps.append(Step(sign, data=bytes.fromhex(rest)))
            elif sign == "=":
                steps.append(Step(sign, seconds=float(rest)))
            elif sign:
                steps.append(Step({"!": "!"}[sign]))
        except (ValueError, KeyError) as error:
            raise DeviceProtocol(
                f"{path}:{number}: no step of a recording", code="REP-106", action="see docs/drivers.md, recordings"
            ) from error
    return steps


class ReplayLink:
    """A link whose other end is a recording. Its clock is :meth:`monotonic`."""

    simulated = True

    def __init__(self, steps: list[Step], *, split: int | None = None, chunk: int = 4096) -> None:
        self._steps = steps
        self._position = 0
        self._split = split
        self._chunk = chunk
        self._buffer = b""
        self._delivered = 0
        self._written = b""
        self._now = 0.0
        self._woken = False
        self._closed = False

    def monotonic(self) -> float:
        """Return the replay's own time in seconds."""
        return self._now

    def read(self, wait_s: float) -> bytes:
        if not self._advance(wait_s):
            return b""
        size = min(self._chunk, len(self._buffer))
        if self._split is not None and self._delivered < self._split:
            size = min(size, self._split - self._delivered)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        self._delivered += size
        return data

    def idle(self, wait_s: float) -> bool:
        if self._woken:
            self._woken = False
            return bool(self._buffer)
        return self._advance(wait_s)

    def write(self, data: bytes) -> None:
        self._check_open()
        self._written += data
        while self._written:
            step = self._next()
            if step is None or step.sign == "!":
                raise DeviceLost("the recording ends here", code="REP-105")
            if step.sign == ">":
                if self._written[: len(step.data)] != step.data[: len(self._written)]:
                    raise DeviceProtocol("the driver wrote something else than was recorded", code="REP-106")
                if len(self._written) < len(step.data):
                    return
                self._written = self._written[len(step.data) :]
            elif step.sign == "<":
                self._buffer += step.data
            else:
                self._now += step.seconds
            self._position += 1

    def discard(self) -> None:
        while self.read(0):
            pass

    def set_baud(self, baud: int) -> None:
        """Accept any rate: a recording holds what was said, not how fast."""

    def wake(self) -> None:
        self._woken = True

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceLost("the recording is closed", code="REP-105")

    def _next(self) -> Step | None:
        return self._steps[self._position] if self._position < len(self._steps) else None

    def _advance(self, wait_s: float) -> bool:
        """Move on by at most *wait_s*; return whether bytes are waiting."""
        self._check_open()
        until = self._now + max(0.0, wait_s)
        while not self._buffer:
            step = self._next()
            if step is None or step.sign == "!":
                raise DeviceLost("the recording ends here", code="REP-105")
            if step.sign == ">" or (step.sign == "=" and self._now + step.seconds > until):
                if step.sign == "=":
                    self._steps[self._position] = Step("=", seconds=step.seconds - (until - self._now))
                self._now = until
                return False
            self._now += step.seconds
            self._buffer += step.data
            self._position += 1
        return True


def open_replay(path: str, options: Mapping[str, str]) -> ReplayLink:
    """Open the recording in *path* with the address's *options*."""
    split = int(options["split"]) if "split" in options else None
    return ReplayLink(read_recording(Path(path)), split=split, chunk=int(options.get("chunk", "4096")))
