"""What a check found, and what the self-test answers. No I/O, no language."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

Level = Literal["internal", "external", "interactive"]
"""As UnifiedPOS CheckHealth: nothing that a citizen notices; paper, lamps and sounds; with a person's help."""
Result = Literal["ok", "warn", "fail", "skip"]
Part = Literal["config", "service", "outbox", "clock", "disk", "certificate", "broker", "subscriber", "device"]
Answer = Literal["usable", "partial", "closed"]
"""The window can open; it can, but something does not work; it cannot."""

SCHEMA = "https://hall-edge.invalid/schemas/selftest.v1.json"
VITAL: frozenset[Part] = frozenset({"config", "service", "outbox", "disk"})
"""The window cannot open when one of these fails; without a broker or a back office everything is kept for later."""


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check. *code* is of the catalogue (``edge.messages``), also that of one that passed, as ``STO-000``."""

    part: Part
    name: str
    """What was checked, as one ASCII word: ``outbox``, or a device's or subscriber's name."""
    code: str
    result: Result
    took_s: float = 0.0
    seen: str = ""
    """What was seen, in English as programs say it; Chinese comes from the catalogue's pair for it."""
    action: str = ""
    """What to do, in English, where it is more exact than the catalogue's."""
    details: dict[str, str | int | float | bool] = {}
    """Figures for scripts and the report: ``free_mb``, ``lag_s`` … Nothing personal, ever."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The first that a self-test says: what is tested, and how. *names* are the checks to come, in final order."""

    hall: str
    window: str
    host: str
    version: str
    level: Level
    daemon: bool
    started: str
    names: tuple[str, ...] = ()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A person is to do something at *device* now, within *wait_s*; the catalogue's title of *code* says what."""

    device: str
    code: str
    wait_s: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of one self-test, in their stable order, with what they come to."""

    schema: str = SCHEMA
    hall: str
    window: str
    host: str
    version: str
    level: Level
    daemon: bool
    """Whether the running daemon was asked; else the devices were opened by the self-test itself."""
    started: str
    took_s: float
    answer: Answer
    checks: tuple[Check, ...]

    def count(self, result: Result) -> int:
        """Return how many checks came to *result*."""
        return sum(check.result == result for check in self.checks)


Message = Begun | Check | Ask | Report
"""What a self-test says: ``Begun``, then checks as they finish, and what a person is asked to do, then ``Report``."""

Asker = Callable[[str, float], None]
"""What a device's checks ask a person with: the text's code, and how long they wait for it."""


def answer(checks: Iterable[Check]) -> Answer:
    """Return whether the window can open: ``closed`` when something vital fails, or every device does."""
    checks = list(checks)
    failed = [check for check in checks if check.result == "fail"]
    devices = {check.name for check in checks if check.part == "device"}
    broken = {check.name for check in failed if check.part == "device"}
    if any(check.part in VITAL for check in failed) or (devices and broken == devices):
        return "closed"
    return "partial" if failed else "usable"
