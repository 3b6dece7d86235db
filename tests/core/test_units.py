"""Which unit was last at a device's address, and what is said when it is another one."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from edge.device_state import Notice
from edge.plugging.hotplug import KnownUnits, Unit

FIRST = Unit("place", model="m", serial="s1", own="o1")
OTHER = Unit("place", model="m", serial="s2", own="o2")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "units.json"


def reason(notice: Notice | None) -> str | None:
    return notice.reason if notice else None


@pytest.mark.parametrize(
    ("now", "same"),
    [
        (Unit("place", model="m", serial="s1", own="o1"), True),
        (Unit("place", model="x", serial="x", own="o1"), True),  # behind another cable: what it says itself counts
        (Unit("place", model="m", serial="s1"), True),
        (Unit("place", own="o1"), True),
        (Unit("place", model="m"), None),
        (Unit("place"), None),
        (Unit("place", model="m", serial="s1", own="o2"), False),
        (Unit("place", model="m", serial="s2"), False),
        (Unit("place", model="n"), False),
    ],
)
def test_what_counts(now: Unit, *, same: bool | None) -> None:
    assert FIRST.same_as(now) is same
    assert now.same_as(FIRST) is same


def test_another_unit_is_told_until_the_daemon_starts_again_or_the_old_one_is_back(file: Path) -> None:
    known = KnownUnits(file)
    assert known.seen("id-1", FIRST) is None
    for _ in range(2):
        notice = known.seen("id-1", OTHER)
        assert notice is not None
        assert (notice.reason, notice.code) == ("another device than before is plugged in here", "SYS-131")
    assert known.seen("id-1", FIRST) is None
    assert known.seen("id-1", OTHER)
    assert KnownUnits(file).seen("id-1", OTHER) is None
    assert KnownUnits(file).seen("id-1", FIRST)


def test_an_exchange_names_whose_device_it_is(file: Path) -> None:
    known = KnownUnits(file)
    known.seen("id-1", FIRST)
    known.seen("id-2", OTHER)
    known = KnownUnits(file)
    assert reason(known.seen("id-1", OTHER)) == "the device of id-2 is plugged in here"
    assert reason(known.seen("id-2", FIRST)) == "the device of id-1 is plugged in here"


def test_what_cannot_be_read_this_time_is_as_it_was(file: Path) -> None:
    known = KnownUnits(file)
    known.seen("id-1", Unit("place", model="m"))
    known.seen("id-1", Unit("place", model="m", own="o1"))
    known.seen("id-1", Unit("place", model="m"))
    assert known.seen("id-1", Unit("place", model="m", own="o2"))


def test_a_new_address_is_no_swap(file: Path) -> None:
    known = KnownUnits(file)
    known.seen("id-1", FIRST)
    moved = Unit("elsewhere", model="m", serial="s2", own="o2")
    assert known.seen("id-1", moved) is None
    assert KnownUnits(file).seen("id-1", moved) is None


def test_the_file_is_written_only_when_something_changed(file: Path) -> None:
    known = KnownUnits(file)
    known.seen("id-1", FIRST)
    written = file.stat().st_ino
    known.seen("id-1", FIRST)
    assert file.stat().st_ino == written
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_bytes()) == {"id-1": {"place": "place", "model": "m", "serial": "s1", "own": "o1"}}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"id-1": 1}', b"\xff"])
def test_a_damaged_file_is_told_and_begun_anew(file: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        known = KnownUnits(file)
    assert [record.__dict__["fields"]["code"] for record in caplog.records] == ["SYS-134"]
    assert known.seen("id-1", FIRST) is None
    assert KnownUnits(file).seen("id-1", OTHER)
