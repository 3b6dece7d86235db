"""The journal gets records with their fields, is never waited for, and hears nothing that a line would not say."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import journal, logs
from edge.secret import Secret
from tests.faults.host.rig import start
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

AS_EVER = "import sys, edge.journal, edge.cli; edge.journal.SOCKET = {path!r}; sys.exit(edge.cli.main())"
SOON_S = 2.0


class Journal:
    """Stands for journald: takes datagrams at *path*, and understands its native protocol by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self.records: list[dict[str, str]] = []

    def take(self) -> list[dict[str, str]]:
        """Return every record so far."""
        try:
            while True:
                if data := self._socket.recv(1 << 18):
                    self.records.append(understood(data))
        except BlockingIOError:
            return self.records

    def close(self) -> None:
        self._socket.close()
        self.path.unlink()


def understood(data: bytes) -> dict[str, str]:
    """Return the fields of a record (systemd's JOURNAL_NATIVE_PROTOCOL)."""
    found: dict[str, str] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
            data = rest
        else:
            name, length = line, int.from_bytes(rest[:8], "little")
            value, data = rest[8 : 8 + length], rest[9 + length :]
        assert name.decode() not in found
        found[name.decode()] = value.decode()
    return found


@pytest.fixture
def ear(short_path: Path) -> Iterator[Journal]:
    listening = Journal(short_path / "journal")
    yield listening
    listening.close()


@pytest.fixture
def said(ear: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Journal]:
    """Let this process log to the journal, as one does whose standard error leads there."""
    root, own = logging.getLogger(), logging.getLogger("hall-edge")
    handlers, levels = root.handlers[:], (root.level, own.level)
    for hook in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, hook, getattr(sys, hook))
    monkeypatch.setattr("warnings.showwarning", print)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(journal, "SOCKET", str(ear.path))
    with (tmp_path / "stderr").open("w") as stderr:
        found = os.fstat(stderr.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        monkeypatch.setattr(sys, "stderr", stderr)
        logs.set_up("debug")
        (ours,) = root.handlers
        yield ear
    ours.output.close()  # type: ignore[attr-defined]
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])
    assert not (tmp_path / "stderr").read_text()


def test_a_record_comes_with_its_fields(said: Journal) -> None:
    fields = {"code": "DEV-105", "action": "plug it in", "tries": 2, "back": False}
    logs.for_device("pad-1").warning("it went %s", "away", extra={"fields": fields})
    (record,) = said.take()
    assert record == {
        "MESSAGE": 'device: it went away device=pad-1 code=DEV-105 action="plug it in" tries=2 back=False',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "hall-edge",
        "HALL_EDGE_PART": "device",
        "HALL_EDGE_DEVICE": "pad-1",
        "HALL_EDGE_CODE": "DEV-105",
        "HALL_EDGE_ACTION": "plug it in",
        "HALL_EDGE_TRIES": "2",
        "HALL_EDGE_BACK": "False",
    }


def test_each_level_has_its_priority(said: Journal) -> None:
    logs.adjust("traffic", as_json=False)
    for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, logs.TRAFFIC):
        logs.get("app").log(level, "x")
    assert [record["PRIORITY"] for record in said.take()] == ["2", "3", "4", "6", "7", "7"]


def test_no_citizen_and_no_forged_field_gets_there(said: Journal) -> None:
    number = "310101199001011234"
    logs.for_device("id-1").info("read", extra={"fields": {"who": Secret(number), "what": {"number": number}}})
    logs.get("app").info("x", extra={"fields": {"odd name": "a\nPRIORITY=0\n_UID=0", "_uid": "0"}})
    try:
        raise ValueError(number)
    except ValueError:
        logs.get("app").exception("a bug")
    hidden, forged, bug = said.take()
    assert (hidden["HALL_EDGE_WHO"], hidden["HALL_EDGE_WHAT"]) == ("<Secret>", "<dict>")
    assert (forged["PRIORITY"], forged["HALL_EDGE_ODD_NAME"]) == ("6", "a?PRIORITY=0?_UID=0")
    assert (forged["HALL_EDGE__UID"], "_UID" in forged) == ("0", False)
    assert bug["HALL_EDGE_WHERE"].startswith("ValueError at test_journal.py:")
    assert number not in str(said.records)


def test_a_value_of_several_lines_stays_one_value() -> None:
    record = understood(journal.datagram(logging.INFO, "a\nPRIORITY=0\n", {"x" * 99: "1\n2", "y": "ü\udc80"}))
    assert record == {
        "MESSAGE": "a\nPRIORITY=0\n", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "hall-edge",
        "HALL_EDGE_" + "X" * 54: "1\n2", "HALL_EDGE_Y": "ü\\udc80",
    }  # fmt: skip


def test_json_stays_json_as_the_message(said: Journal) -> None:
    others = [handler.formatter for handler in logging.getLogger().handlers if handler not in logs._ours]  # noqa: SLF001
    logs.adjust("info", as_json=True)
    assert others == [h.formatter for h in logging.getLogger().handlers if h not in logs._ours]  # noqa: SLF001
    logs.for_device("pad-1").info("open", extra={"fields": {"code": "X"}})
    (record,) = said.take()
    assert '"level": "info", "part": "device", "message": "open"' in record["MESSAGE"]
    assert record["HALL_EDGE_CODE"] == "X"


def test_a_journal_that_takes_nothing_is_not_waited_for_and_learns_how_much_it_missed(said: Journal) -> None:
    began = time.monotonic()
    for _ in range(3000):
        logs.get("app").info("x" * 200)
    assert time.monotonic() - began < SOON_S
    lost = logs.lost()
    taken = len(said.take())
    assert taken + lost == 3000
    assert lost > 0
    logs.get("app").info("again")
    told, again = said.take()[taken:]
    assert (told["MESSAGE"], told["PRIORITY"]) == (f"{lost} lines of the log were lost here", "4")
    assert again["MESSAGE"] == "app: again"
    assert logs.lost() == 0


def test_a_journal_that_is_started_anew_gets_the_rest(said: Journal, short_path: Path) -> None:
    said.close()
    logs.get("app").info("to nobody")
    assert logs.lost() == 1
    again = Journal(short_path / "journal")
    logs.get("app").info("back")
    assert [record["MESSAGE"] for record in again.take()] == ["1 lines of the log were lost here", "app: back"]
    said._socket = again._socket  # noqa: SLF001  # for its end


@pytest.mark.parametrize("stream", ["", "1:2", "nonsense"])
def test_what_is_not_the_journal_gets_lines(stream: str, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert not journal.is_journal(file.fileno(), {"JOURNAL_STREAM": stream})
    assert not journal.is_journal(file_descriptor_that_is_closed(), {"JOURNAL_STREAM": stream})


def file_descriptor_that_is_closed() -> int:
    fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
    return fd


def test_a_daemon_whose_standard_error_is_the_journal_logs_there(window: WindowUnderTest, ear: Journal) -> None:
    window.program = [sys.executable, "-c", AS_EVER.format(path=str(ear.path))]
    window.device("gun-1", "code_serial", 'content = "public"')
    window.folder.mkdir(exist_ok=True)
    log = window.folder / "daemon.log"
    log.touch()
    found = log.stat()
    start(window, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
    window.do("gun-1 unplug")
    gone = wait_until(lambda: [one for one in ear.take() if one.get("HALL_EDGE_STATE") == "absent"])[0]
    assert (gone["HALL_EDGE_DEVICE"], gone["PRIORITY"], gone["SYSLOG_IDENTIFIER"]) == ("gun-1", "4", "hall-edge")
    assert window.stop() == 0
    assert log.read_bytes() == b""
