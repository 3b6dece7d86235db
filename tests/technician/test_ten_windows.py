"""Ten broken windows: each is named by the self-test, and mended by doing what its screen says, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.messages import Lang, catalogue
from tests.faults.disk.small_disk import SmallDisk
from tests.faults.host.rig import Clock
from tests.faults.tls.hall import Hall
from tests.support.broker import Broker
from tests.technician import desk, hall
from tests.technician.broken import Case, Reading, is_green, named_and_mended
from tests.technician.desk import Desk
from tests.technician.hall import Office, tls_broker

LANGS: tuple[Lang, ...] = ("zh", "en")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def a_desk(short_path: Path, broker: Broker) -> Iterator[Desk]:
    window = Desk(short_path, broker)
    try:
        window.start()
        yield window
    finally:
        window.close()


@pytest.fixture
def an_office(short_path: Path, tmp_path: Path, clock: Clock) -> Iterator[Office]:
    authorities = Hall(tmp_path / "hall")
    broker, port = tls_broker(tmp_path / "broker", authorities)
    (short_path / "state").mkdir(mode=0o700)
    with ExitStack() as stack:
        disk = stack.enter_context(SmallDisk(short_path / "state", hall.DISK_KB))
        stack.enter_context(broker)
        window = Office(short_path, broker, port, authorities, disk, clock)
        stack.callback(window.close)
        window.open()
        yield window


def test_what_breaks_on_the_desk(a_desk: Desk) -> None:
    is_green(a_desk, "at first")
    told = [named_and_mended(a_desk, case, desk.DEEDS) for case in desk.BROKEN]
    assert len({action for _, action in told}) == len(told)


def test_what_breaks_around_the_window(an_office: Office) -> None:
    is_green(an_office, "at first")
    told = [named_and_mended(an_office, case, hall.DEEDS) for case in hall.BROKEN]
    assert len({action for _, action in told}) == len(told)


def test_no_two_of_the_ten_are_called_the_same() -> None:
    cases: list[Case] = [*desk.BROKEN, *hall.BROKEN]
    deeds: list[Reading] = [*desk.DEEDS, *hall.DEEDS]
    assert len({case.code for case in cases}) == len(deeds) == 10
    assert len({deed.zh for deed in deeds}) == len({deed.en for deed in deeds}) == 10
    for lang in LANGS:
        words = [catalogue()[case.code].wording(lang) for case in cases]
        assert len({one.title for one in words}) == len({one.action for one in words}) == 10
