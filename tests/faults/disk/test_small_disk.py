"""A disk that is really full: events are not taken, everything else still works, and it recovers alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from tests.faults.disk.small_disk import SmallDisk
from tests.faults.disk.truth import Truth, problems
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

SIZE_KB = 8 * 1024
RESERVE_MB = 1
LIMITS = f"[outbox]\nreserve_mb = {RESERVE_MB}\n[blobs]\nreserve_mb = 2\n"
OFFICE = '[[subscriber]]\nname = "case-system"\n'
SHOWN_S, TAKEN_AGAIN_S = 15.0, 10.0
NO_ROOM = {"STO-110", "STO-120", "STO-121"}


@pytest.fixture
def small_disk(short_path: Path) -> Iterator[SmallDisk]:
    """A small disk where the window keeps its state."""
    state = short_path / "state"
    state.mkdir(mode=0o700)
    with SmallDisk(state, SIZE_KB) as disk:
        yield disk


def copied(disk: SmallDisk, folder: Path) -> Path:
    """Return a copy of what is on the small disk, where it can be opened."""
    shutil.copytree(disk.seen, folder / "copy", ignore=shutil.ignore_patterns("ballast"))
    return folder / "copy"


class Filling:
    """A process that fills the disk; every round says what it was told."""

    def __init__(self, disk: SmallDisk, rounds: int, reserve_mb: int) -> None:
        self.truth = Truth()
        module = [sys.executable, "-W", "error", "-m", "tests.faults.disk.filling"]
        self._process = subprocess.Popen(
            [*disk.inside, *module, str(disk.folder), str(rounds), str(reserve_mb)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def round(self) -> int:
        """Wait until nothing is taken any more; return how many events were."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        told = json.loads(line) if line else pytest.fail(self._process.communicate()[1])
        for mark in told["marks"]:
            self.truth.hear(mark)
        assert told["failed"] is None
        assert len(told["codes"]) == 5
        assert set(told["codes"]) <= NO_ROOM
        return sum(mark["what"] == "accepted" for mark in told["marks"])

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go on\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Let it close its store."""
        _, complaints = self._process.communicate("the end\n", timeout=30)
        assert not complaints
        assert self._process.returncode == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_store_on_a_full_disk_says_so_and_loses_nothing(small_disk: SmallDisk, tmp_path: Path) -> None:
    """Without any reserve: SQLite, the keys and the pictures find the disk full in the middle of a write."""
    small_disk.fill(3_000_000)
    with Filling(small_disk, 2, 0) as filling:
        assert filling.round() > 50
        assert small_disk.free_bytes() < 200_000
        small_disk.empty()
        filling.go_on()
        assert filling.round() > 50
        assert small_disk.free_bytes() < 200_000
        filling.end()
    assert problems(copied(small_disk, tmp_path), filling.truth) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_with_a_reserve_confirmations_make_room_again(small_disk: SmallDisk, tmp_path: Path) -> None:
    with Filling(small_disk, 3, RESERVE_MB) as filling:
        for _ in range(2):
            assert filling.round() > 50
            assert small_disk.free_bytes() > 0
            filling.go_on()
        assert filling.round() > 50
        filling.end()
    assert problems(copied(small_disk, tmp_path), filling.truth) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_window_on_a_full_disk_takes_nothing_and_comes_back_alone(
    small_disk: SmallDisk, window: WindowUnderTest, tmp_path: Path
) -> None:
    window.program = [*small_disk.inside, *window.program]
    window.extra = LIMITS + OFFICE
    window.device("gun-1", "code_serial", 'content = "public"')
    window.start()
    window.bench.do("gun-1 scan A001")
    window.tap.wait_events("scanned")
    pid = window.process.pid if window.process else 0

    small_disk.fill(RESERVE_MB * 500_000)
    told = window.wait_state("gun-1", "attention", SHOWN_S)
    window.bench.do("gun-1 scan A002")  # nobody takes it
    assert told["code"] == "STO-120"
    health = wait_until(lambda: _health(window, accepting=False), SHOWN_S, "the retained health says that it is full")
    assert "STO-120" in {problem["code"] for problem in health["problems"]}
    assert window.status()["health"]["head_seq"] == "1"
    assert len(window.tap.events()) == 1

    small_disk.empty()
    window.wait_state("gun-1", "ready", TAKEN_AGAIN_S)
    window.bench.do("gun-1 scan A003")
    events = window.tap.wait_events("scanned", 2)
    assert [(event["seq"], event["data"]["text"]) for event in events] == [("1", "A001"), ("2", "A003")]
    wait_until(lambda: _health(window, accepting=True), SHOWN_S, "the retained health says that there is room")
    assert window.process is not None
    assert window.process.poll() is None
    assert window.process.pid == pid
    window.kill()
    with closing(sqlite3.connect(copied(small_disk, tmp_path) / "outbox.db")) as db:
        kept = db.execute("SELECT seq, id FROM event ORDER BY seq").fetchall()
    assert kept == [(int(event["seq"]), event["id"]) for event in events]


def _health(window: WindowUnderTest, *, accepting: bool) -> dict[str, Any] | None:
    """Return the last retained health, if it says so."""
    heard = window.tap.on("health")
    return heard[-1] if heard and heard[-1]["disk"].get("accepting", True) == accepting else None
