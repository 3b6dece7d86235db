"""Structured logs on standard error, one record a line, for people (text) and machines (JSON).

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
from typing import Any

from edge.log_output import LineOutput, occupy_standard
from edge.secret import Secret

TRAFFIC = 5
"""Raw bytes have a level of their own, below DEBUG."""

_MAX_TEXT = 300
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


class _Formatter(logging.Formatter):
    """``text``: ``time level part message key=value``; ``json``: one object a line."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        given: Mapping[str, object] = getattr(record, "fields", {})
        message, more = said(record)
        fields = {key: shown(value) for key, value in {**given, **more}.items()}
        stamp = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        head = {"time": stamp, "level": record.levelname.lower(), "part": record.name.removeprefix("hall-edge.")}
        if record.exc_info and record.exc_info[1] is not None:
            fields["where"] = where(record.exc_info[1])
        if self._as_json:
            head["message"] = message
            return json.dumps({**head, **fields, **head}, ensure_ascii=False)
        pairs = "".join(f" {key}={_quoted(value)}" for key, value in fields.items())
        return f"{stamp} {head['level']:7} {head['part']}: {message}{pairs}"


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


class _LineHandler(logging.Handler):
    """Hands each record to a :class:`LineOutput`, which never waits."""

    def __init__(self, output: LineOutput) -> None:
        super().__init__()
        self.output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.output.write(self.format(record))
        except Exception:  # noqa: BLE001  # a record that cannot be formatted stops nobody
            self.handleError(record)


def lost() -> int:
    """Return how many lines nobody took, until lines are taken again."""
    count = 0
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LineHandler):
            with handler.lock or contextlib.nullcontext():
                handler.output.catch_up()
                count += handler.output.lost
    return count


def _handler() -> logging.Handler:
    """Return what writes to standard error, also where that is closed or no descriptor (in tests)."""
    try:
        return _LineHandler(LineOutput(sys.stderr.fileno() if sys.stderr is not None else 2))
    except (OSError, ValueError):
        return logging.StreamHandler(sys.stderr)


def set_up(level: str = "info", *, as_json: bool = False) -> None:
    """Send all records to standard error. Foreign libraries are heard from WARNING on."""
    occupy_standard()
    logging.addLevelName(TRAFFIC, "TRAFFIC")
    handler = _handler()
    handler.setFormatter(_Formatter(as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("hall-edge").setLevel(TRAFFIC if level == "traffic" else _LEVELS[level])
    logging.raiseExceptions = False  # it would print what could not be formatted, and the message with it
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    warnings.showwarning = _warned


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
