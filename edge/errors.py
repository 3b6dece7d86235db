"""Every error of hall-edge, sorted by what happens next.

::

    EdgeError                      carries a stable code, what was seen, and one action
    ├── ConfigError                the daemon does not start (or a reload is refused); lists every problem
    ├── AlreadyRunning             another daemon holds this window's store; exit at once
    ├── StoreError                 the outbox cannot keep its promise: stop, let systemd restart us
    ├── Unsupported                this device cannot do that; answered to whoever asked
    ├── JobCancelled               raised by ``job.check()``; never a device's fault
    └── DeviceError                one device; the supervisor decides what to do
        ├── DeviceAbsent           → absent   wait until its node is there
        ├── DeviceLost             → absent   it was there and went away while open
        ├── DeviceAccess           → denied   no permission: back off, say how to mend it
        ├── DeviceBusy             → held     another program has it: back off, name the holder
        ├── DeviceTimeout          → stuck    it takes bytes and answers nothing
        ├── DeviceProtocol         → fault    it answers what the protocol does not allow (wrong device?)
        ├── DeviceFault            → fault    it says itself that it is broken
        └── DeviceAttention        → attention a person must do something

A driver raises and never retries. Messages never hold what a device sent: they may hold a citizen's data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal


class EdgeError(Exception):
    """Base of all errors: ``code`` is stable, ``action`` is the one thing to do next."""

    default_code: ClassVar[str] = "SYS-100"
    default_action: ClassVar[str] = "see the log around this line"

    def __init__(self, message: str, *, code: str | None = None, action: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.action = action or self.default_action

    def __str__(self) -> str:
        return f"{self.code}: {self.message} — {self.action}"


@dataclass(frozen=True)
class Problem:
    """One mistake in the configuration: where it stands, what was seen, and the one thing to do."""

    code: str
    cause: str
    action: str
    nearest: str | None = None
    file: str = ""
    line: int = 0
    key: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        hint = f' (did you mean "{self.nearest}"?)' if self.nearest else ""
        return f"{place}{self.cause} — {self.action}{hint}"


class ConfigError(EdgeError):
    """The configuration cannot be used; ``problems`` lists every mistake, one line each in ``str()``."""

    default_code = "CFG-100"
    default_action = "correct the configuration; `hall-edge check` shows what is left"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        only = self.problems[0] if len(self.problems) == 1 else None
        super().__init__(
            only.cause if only else f"{len(self.problems)} problems in the configuration",
            code=only.code if only else None,
            action=only.action if only else None,
        )

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def quoted(text: str, limit: int = 60) -> str:
    """Return *text* as a message may show it: in quotes, printable, cut after *limit* characters."""
    cut = text[:limit]
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut)
    return f'"{shown}"' if cut == text else f'"{shown}…"'


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the one of *names* that was probably meant by *word*."""
    from difflib import get_close_matches  # only needed once something is wrong

    folded = {name.lower(): name for name in names}
    return next((folded[match] for match in get_close_matches(word[:60].lower(), folded, n=1)), None)


class AlreadyRunning(EdgeError):
    default_code = "SYS-101"
    default_action = "use the one that runs, or stop it first: sudo systemctl stop hall-edge"


class StoreError(EdgeError):
    default_code = "STO-100"
    default_action = "check the disk that holds the outbox (df, dmesg); nothing already accepted is deleted"


class PartEnded(StoreError):
    """A part of the daemon ended by a bug."""

    def __init__(self) -> None:
        action = "send the log around this line to the developers"
        super().__init__("a part of the daemon ended", code="SYS-110", action=action)


class Unsupported(EdgeError):
    default_code = "CMD-104"
    default_action = "ask the device's retained `about` topic for what it can do"


class JobCancelled(EdgeError):
    """The job was cancelled, or its deadline passed (``code`` tells which)."""

    default_code = "CMD-106"
    default_action = "send the request again if it is still wanted"


class DeviceError(EdgeError):
    """One device does not work; ``state`` is what its retained status shows."""

    state: ClassVar[Literal["absent", "denied", "held", "stuck", "fault", "attention"]] = "fault"
    default_code = "DEV-100"


class DeviceAbsent(DeviceError):
    state = "absent"
    default_code = "DEV-101"
    default_action = "plug the device in and check its cable and power"


class DeviceAccess(DeviceError):
    state = "denied"
    default_code = "DEV-102"
    default_action = "give the daemon's user read and write access to the device node (udev rule, group)"


class DeviceBusy(DeviceError):
    state = "held"
    default_code = "DEV-103"
    default_action = "close the other program"


class DeviceTimeout(DeviceError):
    state = "stuck"
    default_code = "DEV-104"
    default_action = "check the device's power light, then unplug it and plug it in again"


class DeviceLost(DeviceError):
    state = "absent"
    default_code = "DEV-105"
    default_action = "plug the device in again and check its cable"


class DeviceProtocol(DeviceError):
    default_code = "DEV-106"
    default_action = "check that the configured driver and port belong to this device"


class DeviceFault(DeviceError):
    default_code = "DEV-107"
    default_action = "replace the device or call its supplier"


class DeviceAttention(DeviceError):
    state = "attention"
    default_code = "DEV-108"
    default_action = "look at the device"
