"""The caller's side of a self-test: asks the running daemon, or has the window tested by a process of its own."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge import __version__
from edge.errors import EdgeError
from edge.selftest.model import Begun, Level, Message, Report
from edge.selftest.names import WINDOW
from edge.selftest.peek import Peek, peek
from edge.selftest.scene import host
from edge.selftest.who import myself
from edge.selftest.wire import AlreadyTesting, heard
from edge.tools.ask import Unreachable, answers
from edge.tools.files import DEFAULT_CONFIG

PATIENCE_S = {"internal": 20.0, "external": 90.0, "interactive": 180.0}
"""So long a daemon that tests may say nothing."""
CODES = {
    "TST-104": "the daemon ended while it tested",
    "TST-105": "the daemon has said nothing for {patience_s:.0f} s",
}


def selftest(
    config: str | None = None, run_dir: str | None = None, level: Level = "internal", devices: tuple[str, ...] = ()
) -> Generator[Message]:
    """Test, and yield what is said: ``Begun``, checks as they finish, ``Report``. Close it, and everything ends.

    With *run_dir* that daemon is asked, and :class:`Unreachable` raised where none answers. Else the one that the
    configuration knows; where there is none, the devices are opened and tested by a process of our own. Raises
    :class:`AlreadyTesting`, and ``EdgeError`` for what keeps the test from taking place.
    """
    file = config or DEFAULT_CONFIG
    seen = peek(file)
    try:
        yield from _of_daemon(run_dir or seen.run, level, devices)
    except Unreachable:
        if run_dir is not None:
            raise
        _may_test(Path(seen.state))
        yield _begun(seen, level, devices)
        from edge.selftest.alone_process import tested_alone  # slow to import: half the daemon

        with closing(tested_alone(file, seen, level, devices)) as messages:
            yield from messages


def _begun(seen: Peek, level: Level, devices: tuple[str, ...]) -> Begun:
    """Return the first words of a self-test without the daemon."""
    names = (*WINDOW, *(seen.subscribers or ("subscribers",)), *seen.devices)
    return Begun(
        hall=seen.hall, window=seen.window, host=host(), version=__version__, level=level, daemon=False,
        started=datetime.now(UTC).isoformat(timespec="seconds"), names=devices or names,
    )  # fmt: skip


def _may_test(state: Path) -> None:
    """Raise ``EdgeError`` when this user could only find out that it may not do anything."""
    if state.exists() and not os.access(state, os.R_OK | os.W_OK | os.X_OK) and os.geteuid() != 0:
        if state.stat().st_uid == os.geteuid():  # ours, on a disk that takes nothing: that is a finding
            return
        raise EdgeError(
            "the daemon does not run, and this user may not test the window without it", code="SYS-104",
            action="use sudo, or start the daemon: sudo systemctl start hall-edge",
        )  # fmt: skip


def _of_daemon(run_dir: str, level: Level, devices: tuple[str, ...]) -> Iterator[Message]:
    """Ask the daemon; raises :class:`Unreachable` before anything else when there is none."""
    more: dict[str, Any] = {
        "level": level, "devices": devices, "by": myself(), "version": __version__, "pid": os.getpid(),
    }  # fmt: skip
    last: Message | None = None
    try:
        with closing(answers(run_dir, "selftest", PATIENCE_S[level], **more)) as lines:
            for line in lines:
                last = heard(line)
                yield last
    except TimeoutError:
        message = CODES["TST-105"].format(patience_s=PATIENCE_S[level])
        raise EdgeError(message, code="TST-105", action="see hall-edge status, and its log") from None
    except ConnectionError:
        last = None
    except EdgeError as error:
        if error.code == AlreadyTesting.default_code:
            raise AlreadyTesting(error.message, action=error.action) from None
        raise
    if not isinstance(last, Report):
        raise EdgeError(CODES["TST-104"], code="TST-104", action="test again; if it happens again, see its log")
