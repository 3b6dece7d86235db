"""The verb itself: asks the running daemon, which replaces everything personal before a line leaves it."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
from edge.messages import telling
from edge.messages.language import Lang, add_language_argument, language
from edge.tools.ask import Unreachable, add_socket_arguments, answers
from edge.tools.files import there_already, write_new
from edge.tools.record.check import personal_in

UNREACHABLE = 3
_MOST_BYTES = 32 << 20
_TEXTS: dict[Lang, dict[str, str]] = {
    "zh": {
        "head": "正在录制 {device}；按 Ctrl-C 结束",
        "begun": "设备已有应答，现在可以使用设备",
        "asked": "录制结束；文件里的人、证件和编号都是虚构的",
        "time": "时间到，录制结束；文件里的人、证件和编号都是虚构的",
        "lost": "设备停止工作，录制到此为止；文件里的人、证件和编号都是虚构的",
    },
    "en": {
        "head": "recording {device}; Ctrl-C ends it",
        "begun": "the device speaks: use it now",
        "asked": "ended; the people, cards and numbers in the file are invented",
        "time": "the time is over; the people, cards and numbers in the file are invented",
        "lost": "the device stopped working, the recording ends there; people, cards and numbers are invented",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge record``."""
    add_socket_arguments(parser)
    parser.add_argument("device", metavar="DEVICE", help="the device's name, as in the configuration")
    parser.add_argument("-o", dest="file", type=Path, metavar="FILE", help="default: DEVICE-DATE-TIME.rec")
    parser.add_argument(
        "--for", dest="seconds", type=float, metavar="S", help="end after so many seconds (else Ctrl-C)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Record until the time is over, or Ctrl-C; 0 when a file was written, 3: no daemon."""
    lang = language(chosen.lang)
    texts = _TEXTS[lang]
    path = chosen.file or Path(f"{chosen.device}-{time.strftime('%Y%m%d-%H%M%S')}.rec")
    if path.exists() and not chosen.force:
        raise there_already(path)
    try:
        lines, end = _recorded(chosen, texts)
    except Unreachable as error:
        _tell("\n".join(telling.lines(error, lang)))
        return UNREACHABLE
    if not end["begun"]:
        action = "take away what lies on the device, record again, and use the device"
        raise EdgeError(
            f"nothing was recorded: {chosen.device} said nothing to begin with", code="REC-106", action=action
        )
    data = "\n".join([*lines, ""]).encode("ascii")
    if found := personal_in(data):
        what = f"line {found[0].line} of the recording holds {found[0].what}; nothing was written"
        raise EdgeError(what, code="REC-108", action="report it to the driver's author; do not record this device")
    write_new(path, data, force=chosen.force)
    _tell(texts[end["ended"]])
    print(path)  # noqa: T201
    return 0


def _recorded(chosen: argparse.Namespace, texts: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    """Return the lines of the recording, and how it ended."""
    lines: list[str] = []
    size, begun = 0, False
    with contextlib.ExitStack() as undo:
        told = answers(
            chosen.run_dir, "record", connected=lambda caller: undo.enter_context(_ended_by_signals(caller)),
            device=chosen.device, seconds=chosen.seconds,
        )  # fmt: skip
        for answer in told:
            if "head" in answer:
                _tell(texts["head"].format(device=chosen.device))
            if answer.get("lines") and not begun:
                begun = True
                _tell(texts["begun"])
            more = answer.get("head") or answer.get("lines") or ()
            lines += more
            size += sum(map(len, more))
            if "ended" in answer:
                return lines, answer
            if size > _MOST_BYTES:
                return lines, {"ended": "time", "begun": True}
    raise EdgeError("the daemon ended while it recorded; nothing was written", code="REC-109", action="start it again")


@contextlib.contextmanager
def _ended_by_signals(caller: socket.socket) -> Iterator[None]:
    """Let Ctrl-C end the recording, not the program: what was recorded is kept."""

    def end(_number: int, _frame: object) -> None:
        with contextlib.suppress(OSError):
            caller.shutdown(socket.SHUT_WR)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
