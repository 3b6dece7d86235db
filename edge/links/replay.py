"""Replays a recording: a device's bytes from a file, on a clock of its own, always with the same result.

A recording is text, one step a line::

    # hall-edge recording 1 idcard_sdt
    > AA AA AA 96 69 00 03 11 FF ED      what the driver must write now (hex)
    < AA AA AA 96 69 00 04 00 00 90 94   what the device says
    = 0.5                                nothing happens for so many seconds
    $ evaluate {"timeout_s": 20}         a command begins here (JSON)
    ! absent                             the device goes away here (also at the end of the file)

Options of the address: ``split=k`` breaks the device's stream behind byte *k*, so that a look at once finds
nothing of the rest; ``chunk=n`` hands over at most *n* bytes a read; ``once=1`` plays it one time in a process.

The clock is the link's own, in whole microseconds, and moves only while the driver waits: a recorded hour takes no
time. A driver that writes earlier than recorded moves it up to what it answers to; one that writes something else
than recorded gets the same ``DeviceProtocol`` for the rest of the link's life.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DeviceAbsent, DeviceAccess, DeviceError, DeviceLost, DeviceProtocol
from edge.links.fd import Tap

CODES: Mapping[str, str] = {
    "REP-101": "the recording is not there",
    "REP-102": "no permission to read the recording",
    "REP-105": "the recording ends here, or was closed",
    "REP-106": "the file is no recording",
    "REP-107": "the driver wrote something else than was recorded",
    "REP-108": "the recording has been played",
}

HEAD = "# hall-edge recording 1"
"""What the first line of a recording begins with; the name of its driver follows."""
SETTINGS = "# settings "
"""What the line begins with that holds the driver's settings (JSON)."""
_LONGEST_S = 1e6
_PATIENCE_S = 3.0  # so long a driver that waits is kept waiting for its next command
_played: set[str] = set()
_ACTION = "compare the file with the format in docs/drivers.md"


@dataclass(frozen=True)
class Step:
    """One line of a recording: ``sign`` is one of ``> < = $ !`` (or ``|``, a break); ``ticks`` are microseconds."""

    sign: str
    data: bytes = b""
    ticks: int = 0
    line: int = 0


def ticks(seconds: float) -> int:
    """Return *seconds* in microseconds; a wait that is not over takes at least one."""
    return max(1, round(seconds * 1e6)) if seconds > 0 else 0


def read_recording(path: Path) -> list[Step]:
    """Return the steps of the recording in *path*; raises a ``DeviceError`` that names file and line."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except PermissionError as error:
        action = "give the daemon's user read access to the file"
        raise DeviceAccess(f"{CODES['REP-102']}: {path}", code="REP-102", action=action) from error
    except FileNotFoundError as error:
        raise DeviceAbsent(f"{CODES['REP-101']}: {path}", code="REP-101", action="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceProtocol(f"{CODES['REP-106']}: {path}", code="REP-106", action=_ACTION) from error
    if not lines or not lines[0].startswith(HEAD):
        raise DeviceProtocol(f"{CODES['REP-106']}: {path}:1", code="REP-106", action=_ACTION)
    steps: list[Step] = []
    for number, line in enumerate(lines, 1):
        try:
            steps += _steps(line.partition("#")[0].split(maxsplit=1), number)
        except ValueError as error:
            raise DeviceProtocol(f"{CODES['REP-106']}: {path}:{number}", code="REP-106", action=_ACTION) from error
    return steps


def _steps(words: Sequence[str], line: int) -> Iterator[Step]:
    """Yield what a line says: a step, or nothing; raises ``ValueError``."""
    match words:
        case []:
            return
        case ["<" | ">" as sign, rest] if data := bytes.fromhex(rest):
            yield Step(sign, data=data, line=line)
        case ["=", rest] if math.isfinite(seconds := float(rest)) and 0 <= seconds <= _LONGEST_S:
            yield Step("=", ticks=ticks(seconds), line=line)
        case ["$", rest]:
            yield Step("$", data=rest.encode(), line=line)
        case ["!", *_]:
            yield Step("!", line=line)
        case _:
            raise ValueError("no step")


def broken_at(steps: Sequence[Step], split: int) -> Iterator[Step]:
    """Yield *steps* with the device's stream broken behind its byte number *split*."""
    left = split
    for step in steps:
        if step.sign == "<" and 0 < left < len(step.data):
            yield Step("<", data=step.data[:left], line=step.line)
            yield Step("|", line=step.line)
            yield Step("<", data=step.data[left:], line=step.line)
        else:
            yield step
        left -= len(step.data) if step.sign == "<" else 0


class ReplayLink:
    """A link whose other end is a recording. Its clock is :meth:`monotonic`."""

    simulated = True

    def __init__(self, steps: Sequence[Step], *, chunk: int = 4096, tap: Tap = lambda *_: None) -> None:
        self._steps = steps
        self._chunk = chunk
        self._tap = tap
        self._position = 0
        self._passed = 0  # ticks of the step at _position that are over already
        self._ticks = 0
        self._buffer = b""
        self._written = b""  # the beginning of what is to be written now
        self._spare_s = 0.0
        self._failure: DeviceError | None = None
        self._closed = False
        self._woken = threading.Event()
        self._commands = 0
        self.on_wait: Callable[[int], None] = lambda _number: None
        """Called when a command is to begin now, with its number from 1, in the thread that waits."""

    @property
    def complete(self) -> bool:
        """Whether the driver has read and written all that was recorded."""
        rest = self._steps[self._position :]
        return not (self._buffer or self._written or self._failure or any(step.sign in "<>" for step in rest))

    def monotonic(self) -> float:
        """Return the replay's own time in seconds."""
        return self._ticks / 1e6

    def read(self, wait_s: float) -> bytes:
        if not self._advance(ticks(wait_s)):
            return b""
        data, self._buffer = self._buffer[: self._chunk], self._buffer[self._chunk :]
        self._tap("<", data)
        return data

    def idle(self, wait_s: float) -> bool:
        woken = self._woken.is_set()
        self._woken.clear()
        if self._advance(0 if woken else ticks(wait_s), to_command=True):
            return True
        if woken:
            return False
        if (step := self._next()) is not None and step.sign == "$":
            self.on_wait(self._commands + 1)
            if not self._wakened(_PATIENCE_S):
                return self._advance(ticks(wait_s))  # nobody commands
        elif self._spare_s:
            # Nothing happens any more until the driver writes, perhaps for a command: no reason to spin for ever.
            self._wakened(self._spare_s)
        return False

    def write(self, data: bytes) -> None:
        self._check()
        self._tap(">", data)
        if not self._written:
            self._skip_to_writing()
        self._written += data
        while self._written and (step := self._next()) is not None and step.sign == ">":
            if not (step.data.startswith(self._written) or self._written.startswith(step.data)):
                break
            if len(self._written) < len(step.data):
                return
            self._written = self._written[len(step.data) :]
            self._position += 1
        if self._written:
            line = step.line if (step := self._next()) else self._steps[-1].line
            self._fail(DeviceProtocol(f"{CODES['REP-107']}, line {line}", code="REP-107", action=_ACTION))

    def discard(self) -> None:
        while self.read(0):
            pass

    def commanded(self) -> None:
        """Note that a command begins: what happens behind the next ``$`` may happen. In the thread that reads."""
        while (step := self._next()) is not None and step.sign != "$" and step.sign in "=|":
            self._take(step)
        if step is not None and step.sign == "$":
            self._commands += 1
            self._position += 1

    def set_baud(self, baud: int) -> None:
        """Accept any rate: a recording holds what was said, not how fast."""

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self._closed = True
        self._woken.set()

    def _fail(self, error: DeviceError) -> None:
        self._failure = error
        raise error

    def _check(self) -> None:
        if self._closed:
            raise _over()
        if self._failure is not None:
            raise self._failure

    def _next(self) -> Step | None:
        """Return the step that is next; at the end the device is gone."""
        step = self._steps[self._position] if self._position < len(self._steps) else None
        return None if step is None or step.sign == "!" else step

    def _wakened(self, wait_s: float) -> bool:
        """Wait; return whether somebody wakes the driver."""
        woken = self._woken.wait(wait_s)
        self._woken.clear()
        return woken

    def _skip_to_writing(self) -> None:
        """Let everything happen that was recorded before the next write."""
        while (step := self._next()) is not None and step.sign != ">":
            self._take(step)
        if step is None:
            self._fail(_over())

    def _take(self, step: Step) -> None:
        self._ticks += step.ticks - self._passed
        self._buffer += step.data if step.sign == "<" else b""
        self._passed = 0
        self._position += 1

    def _advance(self, wait: int, *, to_command: bool = False) -> bool:
        """Move on by at most *wait* ticks, or up to a command; return whether bytes are waiting."""
        self._check()
        self._spare_s = 0.0
        until = self._ticks + wait
        while not self._buffer:
            step = self._next()
            if step is None:
                raise _over()
            if step.sign == "=" and (rest := step.ticks - self._passed) and rest >= until - self._ticks:
                self._passed += until - self._ticks  # what comes at the very end of a wait comes after it
                self._ticks = until
                return False
            if step.sign == "$" and to_command:
                return False
            if step.sign in ">$":
                self._spare_s, self._ticks = (until - self._ticks) / 1e6, until
                return False
            self._take(step)
            if step.sign == "|" and not wait:
                return False
        return True


def _over() -> DeviceLost:
    return DeviceLost(CODES["REP-105"], code="REP-105", action="nothing: it begins again when it is opened again")


def open_replay(path: str, options: Mapping[str, str], tap: Tap = lambda *_: None) -> ReplayLink:
    """Open the recording in *path* with the address's *options*; *tap* sees all traffic."""
    if "once" in options:
        if path in _played:
            raise DeviceAbsent(CODES["REP-108"], code="REP-108", action="nothing: start anew to play it again")
        _played.add(path)
    steps = read_recording(Path(path))
    if "split" in options:
        steps = list(broken_at(steps, int(options["split"])))
    return ReplayLink(steps, chunk=int(options.get("chunk", "4096")), tap=tap)
