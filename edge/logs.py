"""Structured logs on standard error, one record a line, for people (text) and machines (JSON).

Where standard error is the journal, records go to it with their fields (:mod:`edge.journal`).

A record is a fixed English message plus typed fields; the device's name is in every record of a device.
Fields may be numbers, booleans, short strings of ours, paths and codes. A value of any other type is shown as
``<type>``: a citizen's data has types of its own (``edge.events``) and so cannot slip through.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import sys
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from edge import journal
from edge.log_output import LineOutput, occupy_standard
from edge.secret import Secret

TRAFFIC = 5
"""Raw bytes have a level of their own, below DEBUG."""

_MAX_TEXT = 300
_ours: list[logging.Handler] = []
"""What :func:`set_up` has made."""
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


class _DeviceLog(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        fields = kwargs.get("extra", {}).get("fields", {})
        kwargs["extra"] = {"fields": {**(self.extra or {}), **fields, **(self.extra or {})}}
        return msg, kwargs


def for_device(device: str) -> logging.LoggerAdapter[logging.Logger]:
    """Return the logger of one device: its name goes into every record."""
    return _DeviceLog(logging.getLogger("hall-edge.device"), {"device": device})


def get(part: str) -> logging.LoggerAdapter[logging.Logger]:
    """Return the logger of one part of the core, e.g. ``mqtt``."""
    return _DeviceLog(logging.getLogger(f"hall-edge.{part}"), {})


def worth_a_line(count: int) -> bool:
    """Return whether what strangers make happen is logged at its *count*: 1, 2, 4, 8 …, so that they cannot flood."""
    return count & (count - 1) == 0


def shown(value: object) -> str | int | float | bool | None:
    """Return what may be logged of *value*: short text without control characters, a number, or its type."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str) and not isinstance(value, Secret):
        return "".join(char if char.isprintable() else "?" for char in value[:_MAX_TEXT])
    return f"<{type(value).__name__}>"


def said(record: logging.LogRecord) -> tuple[str, dict[str, str]]:
    """Return the message of a record, and fields that go with it.

    Of a foreign library's only the place and the template are told: its text may hold what a device sent, or, as
    asyncio's does, an exception with its message.
    """
    if record.name.split(".")[0] == "hall-edge":
        return str(shown(record.getMessage())), {}
    at = f"{record.filename}:{record.lineno}"
    template = str(shown(record.msg)) if record.args else "a library says something"
    return template, {"library": record.name, "at": at}


class _Said(NamedTuple):
    """What is logged of a record."""

    part: str
    message: str
    fields: dict[str, str | int | float | bool | None]

    @property
    def line(self) -> str:
        """The record for people, without its time and level."""
        return f"{self.part}: {self.message}" + "".join(
            f" {key}={_quoted(value)}" for key, value in self.fields.items()
        )


def _said(record: logging.LogRecord) -> _Said:
    given: Mapping[str, object] = getattr(record, "fields", {})
    message, more = said(record)
    fields = {key: shown(value) for key, value in {**given, **more}.items()}
    if record.exc_info and record.exc_info[1] is not None:
        fields["where"] = where(record.exc_info[1])
    return _Said(record.name.removeprefix("hall-edge."), message, fields)


class _Formatter(logging.Formatter):
    """``text``: ``time level part message key=value``; ``json``: one object a line."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        found = _said(record)
        stamp = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        level = record.levelname.lower()
        if self._as_json:
            head = {"time": stamp, "level": level, "part": found.part, "message": found.message}
            return json.dumps({**head, **found.fields, **head}, ensure_ascii=False)
        return f"{stamp} {level:7} {found.line}"


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text


class Elsewhere(Exception):
    """Stands for an exception in a driver's process; its only argument is what :func:`where` said there."""


def where(error: BaseException) -> str:
    """Return the traceback of *error* without its message and locals: both may hold a citizen's data."""
    if isinstance(error, Elsewhere):
        return str(error.args[0])
    frames = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{step.tb_lineno}:{code.co_name}")
        step = step.tb_next
    return f"{type(error).__name__} at " + " > ".join(frames)


class _Output(Protocol):
    """Takes records without ever waiting; counts those that it could not pass on."""

    lost: int

    def catch_up(self) -> bool: ...
    def close(self) -> None: ...


class _OutputHandler(logging.Handler):
    """Hands each record to an output that never waits."""

    output: _Output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.hand_over(record)
        except Exception:  # noqa: BLE001  # a record that cannot be formatted stops nobody
            self.handleError(record)

    def hand_over(self, record: logging.LogRecord) -> None:
        raise NotImplementedError


class _LineHandler(_OutputHandler):
    """Writes each record as a line."""

    def __init__(self, output: LineOutput) -> None:
        super().__init__()
        self.output: LineOutput = output

    def hand_over(self, record: logging.LogRecord) -> None:
        self.output.write(self.format(record))


class _JournalHandler(_OutputHandler):
    """Sends each record with its fields to the journal; as its message a line, or with ``json`` an object."""

    def __init__(self, output: journal.JournalOutput) -> None:
        super().__init__()
        self.output: journal.JournalOutput = output
        self.as_json = False

    def hand_over(self, record: logging.LogRecord) -> None:
        found = _said(record)
        message = self.format(record) if self.as_json else found.line
        self.output.write(journal.datagram(record.levelno, message, {"part": found.part, **found.fields}))


def lost() -> int:
    """Return how many lines nobody took, until lines are taken again."""
    count = 0
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _OutputHandler):
            with handler.lock or contextlib.nullcontext():
                handler.output.catch_up()
                count += handler.output.lost
    return count


def _handler() -> logging.Handler:
    """Return what takes the records, also where standard error is closed or no descriptor (in tests)."""
    try:
        fd = sys.stderr.fileno() if sys.stderr is not None else 2
        if journal.is_journal(fd):
            with contextlib.suppress(OSError):  # then as lines: the journal takes those, too
                return _JournalHandler(journal.JournalOutput(journal.SOCKET))
        return _LineHandler(LineOutput(fd))
    except (OSError, ValueError):
        return logging.StreamHandler(sys.stderr)


def set_up(level: str = "info", *, as_json: bool = False) -> None:
    """Send all records to standard error. Foreign libraries are heard from WARNING on."""
    occupy_standard()
    logging.addLevelName(TRAFFIC, "TRAFFIC")
    root = logging.getLogger()
    root.handlers[:] = _ours[:] = [_handler()]
    root.setLevel(logging.WARNING)
    adjust(level, as_json=as_json)
    logging.raiseExceptions = False  # it would print what could not be formatted, and the message with it
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    warnings.showwarning = _warned


def adjust(level: str, *, as_json: bool) -> None:
    """Log from *level* on, and in that form, from now on."""
    for handler in _ours:
        handler.setFormatter(_Formatter(as_json=as_json))
        if isinstance(handler, _JournalHandler):
            handler.as_json = as_json
    logging.getLogger("hall-edge").setLevel(TRAFFIC if level == "traffic" else _LEVELS[level])


def _uncaught(_type: type[BaseException], error: BaseException, _trace: object) -> None:
    """Log what ends the process: without its message, which may hold a citizen's data."""
    get("app").critical("the daemon ended by a bug", exc_info=error)


def _unraisable(what: sys.UnraisableHookArgs) -> None:
    """Log what went wrong where nobody can be told, in a finaliser; Python would print the message."""
    get("app").error("an error that nobody hears", exc_info=what.exc_value or RuntimeError())


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    """Log a warning of a library by its kind and place: its text may hold what a device sent."""
    del message, file, line
    get("app").warning("a library warns", extra={"fields": {"kind": category.__name__, "at": f"{filename}:{lineno}"}})


def loop_error(_loop: object, context: Mapping[str, Any]) -> None:
    """Log what the event loop complains about: asyncio's own handler would show the error's message."""
    get("app").error("a bug in the event loop", exc_info=context.get("exception"))
