"""Reads the configuration anew and puts it to use as a whole, or refuses it as a whole and keeps the one before.

Asked for by SIGHUP (``systemctl reload``) and by ``hall-edge reload``. Everything that can go wrong happens before
anything is changed: the file is checked, what needs a restart is named, key files are read, drivers are made. All of
that runs in a thread, for some of it is foreign code.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from edge import logs
from edge.config import Config
from edge.devices import Changes
from edge.errors import ConfigError, EdgeError, Problem
from edge.notify import Notifier
from edge.problems import Problems, problem

CODES = {
    "SYS-162": "{what} counts only after a restart",
    "SYS-163": "the new configuration could not be checked: {what}",
    "SYS-164": "there is no store: the new configuration is looked at when there is one",
}
"""Why a reload is refused, apart from the configuration's own mistakes (``CFG-…``)."""
_LIMIT_S = 60.0
_MOST_PLACES = 3
FIXED = {"window": ("hall", "window", "lab"), "paths": ("state", "run")}
"""The keys that everything is built upon."""
_log = logs.get("reload")
P = TypeVar("P")
T = TypeVar("T")


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a reload; the answer to ``hall-edge reload``."""

    reloaded: bool
    restart: bool = False
    """Whether a restart would put it to use."""
    problems: tuple[str, ...] = ()
    """Why it is refused, each with its place, cause and action."""
    warnings: tuple[str, ...] = ()
    findings: tuple[Problem, ...] = ()
    """The problems, or the warnings, in parts: to be told in another language."""
    changed: tuple[str, ...] = ()
    """The keys, but for those of devices."""
    kept: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


class NeedsRestart(EdgeError):
    """The new configuration is valid, and cannot be put to use while the daemon runs."""

    default_code = "SYS-162"
    default_action = "restart when it suits: sudo systemctl restart hall-edge; until then nothing of the change counts"

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(CODES["SYS-162"].format(what=", ".join(keys)))
        self.keys = keys


class Reloader(Generic[P]):
    """*load* reads and checks the file, *prepare* makes what it needs, *apply* puts it to use."""

    def __init__(
        self, wanted: asyncio.Event, current: Config, load: Callable[[], Config], prepare: Callable[[Config], P],
        apply: Callable[[P], Awaitable[Changes]],
    ) -> None:  # fmt: skip
        """*wanted* is set by whoever wants a reload and no answer."""
        self._current, self._load, self._prepare, self._apply = current, load, prepare, apply
        self._wanted = wanted
        self._next: asyncio.Future[Outcome] | None = None

    @property
    def current(self) -> Config:
        """The configuration in use."""
        return self._current

    def soon(self) -> asyncio.Future[Outcome]:
        """Ask for a reload; whoever asks before it begins shares it."""
        self._wanted.set()
        self._next = self._next or asyncio.get_running_loop().create_future()
        return self._next

    async def answer(self) -> dict[str, Any]:
        """Reload, and return the :class:`Outcome` for the control socket."""
        outcome: dict[str, Any] = msgspec.to_builtins(await asyncio.shield(self.soon()))
        return outcome

    async def run(self, problems: Problems, notifier: Notifier, status: Callable[[], str]) -> None:
        """Reload whenever it is asked for; *status* is told systemd afterwards."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            asked, self._next = self._next, None
            notifier.reloading()
            outcome = await self._reloaded(problems)
            notifier.ready(status())
            if asked is not None and not asked.done():
                asked.set_result(outcome)

    async def _reloaded(self, problems: Problems) -> Outcome:
        try:
            new = await in_thread("reload-check", self._load)
            fixed = [key for key in differences(self._current, new) if key in set(_fixed())]
            if fixed:
                raise NeedsRestart(fixed)
            prepared = await in_thread("reload-prepare", lambda: self._prepare(new))
        except Exception as error:  # noqa: BLE001  # whatever it is: the old configuration is still whole
            return self._refused(error, problems)
        changed = differences(self._current, new)
        devices = await self._apply(prepared)  # from here on there is no way back: what fails ends the daemon
        self._current = new
        problems.configuration = ()
        warnings = tuple(map(str, new.warnings))
        for warning in warnings:
            _log.warning(warning)
        said = {name: ", ".join(names) for name, names in devices._asdict().items() if names and name != "kept"}
        _log.info("the new configuration is in use", extra={"fields": {"changed": ", ".join(changed), **said}})
        told = Outcome(reloaded=True, changed=tuple(changed), warnings=warnings, **devices._asdict())
        return msgspec.structs.replace(told, findings=new.warnings)

    def _refused(self, error: Exception, problems: Problems) -> Outcome:
        if not isinstance(error, EdgeError):
            _log.error("a bug while the new configuration was checked", exc_info=error)
            what = CODES["SYS-163"].format(what=type(error).__name__)
            error = EdgeError(what, code="SYS-163", action="send the log to the developers; the old one is in use")
        findings: tuple[Problem, ...] = (Problem(error.code, error.message, error.action),)
        lines: tuple[str, ...] = (str(error),)
        if isinstance(error, ConfigError):
            findings, lines = error.problems, tuple(map(str, error.problems))
        for line in lines:
            _log.error(
                "the new configuration is refused, the old one stays: %s", line, extra={"fields": {"code": error.code}}
            )
        restart = isinstance(error, NeedsRestart)
        what = ", ".join(error.keys) if isinstance(error, NeedsRestart) else _places(error)
        problems.configuration = (problem("SYS-161" if restart else "SYS-160", what=what),)
        return Outcome(reloaded=False, restart=restart, problems=lines, findings=findings)


def _places(error: EdgeError) -> str:
    """Return what may be told on the broker: codes and lines, and nothing of what stands in the file."""
    if not isinstance(error, ConfigError):
        return error.code
    found = [f"{one.code} in line {one.line}" if one.line else one.code for one in error.problems]
    return ", ".join(found[:_MOST_PLACES]) + (f" and {len(found) - _MOST_PLACES} more" if found[_MOST_PLACES:] else "")


def _fixed() -> Iterator[str]:
    yield from (f"{table}.{key}" for table, keys in FIXED.items() for key in keys)


def differences(old: Config, new: Config) -> list[str]:
    """Return the keys that say something else in *new*, as ``table.key``; devices are not looked at."""
    found = []
    for table in Config.__struct_fields__:
        before, after = getattr(old, table), getattr(new, table)
        if table in ("devices", "warnings") or before == after:
            continue
        if isinstance(after, tuple):
            found.append(table.removesuffix("s"))
        else:
            keys = type(after).__struct_fields__
            found += [f"{table}.{key}" for key in keys if getattr(before, key) != getattr(after, key)]
    return found


async def in_thread(name: str, work: Callable[[], T]) -> T:
    """Run *work* in a daemon thread of its own; raises what it raises, or ``EdgeError`` when it takes too long."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]  # what work has returned
        else:
            done.set_exception(error)

    def run() -> None:
        try:
            result, error = work(), None
        except Exception as raised:  # noqa: BLE001  # whoever waits gets it
            result, error = None, raised
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        return await asyncio.wait_for(done, _LIMIT_S)
    except TimeoutError:
        what = f"it takes longer than {_LIMIT_S:.0f} s"
        raise EdgeError(
            CODES["SYS-163"].format(what=what), code="SYS-163", action="see hall-edge check; the old one is in use"
        ) from None
