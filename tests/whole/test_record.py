"""Recording devices of a daemon that works: nobody notices, and nobody who is real stands in the file."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any, ClassVar

import pytest

from drivers.code_serial import SerialScanner
from edge.errors import EdgeError
from edge.links.replay import read_recording
from edge.recorder import check_driver
from edge.substitute import Substitute
from edge.tools.lines import masked
from edge.tools.record.check import personal_in
from tests.docs.blocks import blocks
from tests.support import canaries
from tests.support.broker import Broker
from tests.support.window import WindowUnderTest

SEEN = ("presented", "read", "removed")
CARDS = ("resident seed=21 fingers=1 addresses=1 rare=0", "Y seed=22 rare=0")
TEXT = "https://example.invalid/i?id=000000198001010017&n=赵甲乙"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowUnderTest]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        under_test = WindowUnderTest(tmp_path_factory.mktemp("w"), broker)
        full = 'read = "full"\npurpose = "a test"\nfingerprints = true\nnew_addresses = true'
        under_test.device("id-1", "idcard_sdt", full)
        under_test.device("gun-1", "code_serial")
        under_test.device("scanner-1", "scanner_escl")
        under_test.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
        try:
            yield under_test.start()
        finally:
            under_test.close()


def documented() -> list[list[str]]:
    """Return the commands of ``docs/drivers.md``, as words without the program's name."""
    (block,) = blocks("docs/drivers.md", 'sh title="record"')
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert {words[0] for words in commands} == {"hall-edge"}
    return [words[1:] for words in commands]


def edge(*words: str) -> list[str]:
    return [sys.executable, "-m", "edge", *words]


@contextmanager
def recording(window: WindowUnderTest, words: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Record with the arguments *words*, from when the device is listened to, until Ctrl-C."""
    process = subprocess.Popen(
        edge(*words, "--run", str(window.folder / "run")), cwd=folder, stdout=PIPE, stderr=PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("recording ")
        yield process
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=15)
        assert (process.returncode, out) == (0, f"{words[words.index('-o') + 1]}\n"), err
    finally:
        process.kill()
        process.wait()


def refused(window: WindowUnderTest, *words: str) -> str:
    """Return what is said to who records with the arguments *words*, and gets nothing."""
    done = subprocess.run(
        edge("record", *words, "--run", str(window.folder / "run")),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (1, 3)
    assert not done.stdout
    return done.stderr


def replayed(file: Path) -> dict[str, Any]:
    """Return what the daemon makes of a recording, as the command tells it."""
    done = subprocess.run(edge("replay", str(file), "--json"), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    golden: dict[str, Any] = json.loads(done.stdout)
    return golden


def said(file: Path, sign: str = "<") -> bytes:
    return b"".join(step.data for step in read_recording(file) if step.sign == sign)


@pytest.mark.slow
def test_cards_are_recorded_as_those_of_nobody(window: WindowUnderTest, tmp_path: Path) -> None:
    record, replay, golden = documented()
    file = tmp_path / "card.rec"
    with recording(window, record, tmp_path) as process:
        assert process.stderr is not None
        assert "use it now" in process.stderr.readline()
        for number, card in enumerate(CARDS, 1):
            window.do(f"id-1 insert {card}")
            window.tap.wait_events("read", number)
            window.do("id-1 remove")
            window.tap.wait_events("removed", number)
    assert file.stat().st_mode & 0o777 == 0o600
    people = [one for card in CARDS for one in canaries.of_line(f"id-1 insert {card}")]
    raw = file.read_bytes()
    places = [("the file", raw), ("its bytes", said(file)), ("what was sent", said(file, ">"))]
    assert not canaries.found(people, places)
    assert not personal_in(raw)
    for words in (replay, golden):
        subprocess.run(edge(*words), cwd=tmp_path, check=True, capture_output=True, timeout=60)
    told = json.loads((tmp_path / "card.golden.json").read_bytes())
    assert told["end"] == "REP-105"
    assert [event["type"] for event in told["events"]] == 2 * [f"id-card.{one}" for one in SEEN]
    reads = [event["data"] for event in told["events"] if event["type"] == "id-card.read"]
    for data in reads:
        assert not data.get("warnings")
        assert masked("number", data["person"]["number"]).endswith("(18, check ok)")
    assert reads[0]["person"]["number"].startswith("000000")
    assert not canaries.found(people, [("the replayed events", json.dumps(told, ensure_ascii=False).encode())])


def test_what_a_gun_reads_is_recorded_in_its_shape(window: WindowUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "codes.rec"
    with recording(window, ["record", "gun-1", "-o", str(file)], tmp_path):
        window.do(f"gun-1 scan '{TEXT}'")
        window.tap.wait_events("scanned", 1)
    text = said(file).decode().rstrip()
    assert len(text) == len(TEXT)
    assert len(text.encode()) == len(TEXT.encode())
    assert not canaries.found([TEXT, "000000198001010017", "赵甲乙"], [("the file", said(file))])
    before = file.read_bytes()
    assert "FIL-102" in refused(window, "gun-1", "-o", str(file))
    assert file.read_bytes() == before


@pytest.mark.slow
def test_a_session_of_a_pad_is_played_with_its_command(window: WindowUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "pad.rec"
    with recording(window, ["record", "pad-1", "-o", str(file)], tmp_path):
        assert "REC-105" in refused(window, "pad-1", "-o", str(tmp_path / "second.rec"))
        for number, key in enumerate("42", 1):
            asked = window.request("pad-1", "evaluate", {"timeout_s": 20, "form_id": "f1"})
            window.do("pad-1 wait-request 5")
            window.do(f"pad-1 press {key}")
            assert asked.completion()["code"] == "ok"
            window.tap.wait_events("rated", number)
    golden = replayed(file)
    live = [event["data"] for event in window.tap.events("rated")]
    rated = [event["data"] for event in golden["events"]]
    assert [one["level"] for one in rated] == [4, 2]
    for then, now in zip(live, rated, strict=True):
        assert abs(then["dwell_ms"] - now["dwell_ms"]) < 100
        assert {**then, "dwell_ms": 0, "session": ""} == {**now, "dwell_ms": 0, "session": ""}


def test_a_device_that_goes_away_ends_its_recording(window: WindowUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "lost.rec"
    words = ["record", "gun-1", "-o", str(file), "--run", str(window.folder / "run")]
    process = subprocess.Popen(edge(*words), stdout=PIPE, stderr=PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("recording ")
    before = len(window.tap.events("scanned"))
    window.do("gun-1 scan 'another 1'")
    window.tap.wait_events("scanned", before + 1)
    window.do("gun-1 unplug")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, f"{file}\n"), err
    assert "stopped working" in err
    assert file.read_text(encoding="ascii").endswith("! absent\n")
    assert "REC-104" in refused(window, "gun-1", "-o", str(tmp_path / "no.rec"))
    window.do("gun-1 plug")
    window.wait_state("gun-1", "ready")


def test_what_cannot_be_recorded_is_refused(window: WindowUnderTest, tmp_path: Path) -> None:
    file = str(tmp_path / "no.rec")
    assert "REC-101" in refused(window, "no-1", "-o", file)
    assert "REC-102" in refused(window, "scanner-1", "-o", file)
    assert "REC-106" in refused(window, "gun-1", "-o", file, "--for", "0.1")
    assert not list(tmp_path.iterdir())


def test_who_asks_where_nothing_runs_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        edge("record", "gun-1", "--run", str(tmp_path)), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "SYS-103" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_driver_that_replaces_nothing_is_not_recorded() -> None:
    class Silent(SerialScanner):
        substitute: ClassVar[type[Substitute] | None] = None  # type: ignore[assignment]

    with pytest.raises(EdgeError, match="REC-103"):
        check_driver(Silent)
