"""A driver for tests that does everything wrong with what it knows about a person, in every place it can."""

from __future__ import annotations

import asyncio
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from edge.driver import DeviceInfo, Driver, Job, Settings
from edge.events import Evaluate, Params, Payload, Rated

PACKAGE = "leaky-pad"
DRIVER, APART = "leaky_pad", "leaky_apart"
NAME = "王小明三 6222020200112233445"


class Oops(Exception):
    """Shows its person in every way that an exception has."""

    def __str__(self) -> str:
        return NAME

    __repr__ = __str__


def _plain() -> None:
    raise ValueError(NAME)


def _own() -> None:
    raise Oops(NAME)


def _chained() -> None:
    try:
        raise KeyError(NAME)
    except KeyError as error:
        raise RuntimeError(f"no such person: {error}") from error


def _decoded() -> None:
    NAME.encode("gb18030").decode("ascii")


def _group() -> None:
    raise ExceptionGroup(NAME, [ValueError(NAME)])


def _noted() -> None:
    error = ValueError(NAME)
    error.add_note(NAME)
    raise error


def _printed() -> None:
    print(NAME)  # noqa: T201
    print(NAME, file=sys.stderr)  # noqa: T201
    try:
        raise ValueError(NAME)
    except ValueError:
        traceback.print_exc()


def _warned() -> None:
    warnings.warn(NAME, stacklevel=1)


class _Dropped:
    def __del__(self) -> None:
        raise ValueError(NAME)


def _unraisable() -> None:
    _Dropped()


def _forgotten() -> None:
    async def fail() -> None:
        raise ValueError(NAME)

    async def forget() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        del task

    asyncio.run(forget())


RAISES: dict[str, Callable[[], None]] = {
    "plain": _plain, "own": _own, "chain": _chained, "decoder": _decoded, "group": _group, "note": _noted,
}  # fmt: skip
SAYS: tuple[Callable[[], None], ...] = (_printed, _warned, _unraisable, _forgotten)


class LeakySettings(Settings, frozen=True, kw_only=True):
    way: str = ""
    """What it raises; empty: it does all that raises nothing."""


class LeakyPad(Driver):
    kind = "evaluation-pad"
    settings_type = LeakySettings
    commands = (Evaluate,)

    def open(self) -> DeviceInfo:
        return DeviceInfo(model="leaky", simulated=True)

    def poll(self, wait_s: float) -> Iterable[Payload]:
        self.port.idle(wait_s)
        return []

    def execute(self, command: Params, job: Job) -> Iterable[Payload]:
        who = NAME
        assert isinstance(command, Evaluate)
        job.check()
        assert isinstance(self.settings, LeakySettings)
        for say in SAYS if not self.settings.way else ():
            say()
        if self.settings.way:
            RAISES[self.settings.way]()
        del who
        yield Rated(session=job.request_id, level=5, dwell_ms=1)

    def close(self) -> None:
        pass


class ApartPad(LeakyPad):
    """The same in a process of its own."""

    lane = "process"


def install(folder: Path) -> str:
    """Make a package of this file in *folder*; return what PYTHONPATH must hold."""
    site = folder / "site"
    info = site / "leaky_pad-1.0.dist-info"
    info.mkdir(parents=True)
    module = Path(sys.modules[__name__].__file__ or "")
    (site / "leaky_pad.py").write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n", encoding="utf-8")
    entry = f"[hall_edge.drivers]\n{DRIVER} = leaky_pad:LeakyPad\n{APART} = leaky_pad:ApartPad\n"
    (info / "entry_points.txt").write_text(entry, encoding="utf-8")
    return str(site)
