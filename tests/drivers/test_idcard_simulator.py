"""The driver, the serial link and the simulator over a real pseudo-terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from drivers._sdt_settings import IdCardSettings
from drivers.idcard_sdt import SdtIdCardDriver
from edge.errors import DeviceAbsent, DeviceBusy, DeviceFault, DeviceLost, DeviceTimeout
from edge.events import Payload, Read, ReadCard, Rejected
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.bench import Bench
from simulators.people import citizen
from tests.drivers.idcard_rig import told

NAME = "id-1"
CARD = "resident seed=7 fingers=1 addresses=1"
FULL = {"read": "full", "purpose": "test", "fingerprints": True, "new_addresses": True}
FIELDS = {"read": "fields", "fields": ("name", "number")}
FAST_S = 0.05


class PatientJob:
    """A job without an end."""

    request_id = "00000000-0000-0000-0000-000000000000"

    def check(self) -> None:
        """Never cancelled."""

    def remaining_s(self) -> float:
        return 10.0

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        """Nobody listens."""


class Desk:
    """A simulated reader and the drivers that talk to it."""

    def __init__(self, directory: Path) -> None:
        self.bench = Bench(directory)
        self._made: list[SdtIdCardDriver] = []

    def plug(self, **options: object) -> None:
        self.bench.add(NAME, "idcard_sdt", **options)

    def do(self, line: str) -> None:
        self.bench.do(f"{NAME} {line}")

    def driver(self, **settings: object) -> SdtIdCardDriver:
        port = DevicePort(NAME, parse_address(f"serial://{self.bench.path(NAME)}"), b"key")
        own = IdCardSettings(**{"find_interval_s": FAST_S, **settings})  # type: ignore[arg-type]
        assert own.problems() == {}
        made = SdtIdCardDriver(own, port)
        self._made.append(made)
        return made

    def opened(self, **settings: object) -> SdtIdCardDriver:
        made = self.driver(**settings)
        made.open()
        return made

    def close(self) -> None:
        for made in self._made:
            made.close()
        self.bench.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def polled(made: SdtIdCardDriver, count: int, within_s: float = 10.0) -> list[Payload]:
    """Poll until there are *count* events."""
    events: list[Payload] = []
    end = time.monotonic() + within_s
    while len(events) < count:
        assert time.monotonic() < end, told(events)
        events.extend(made.poll(FAST_S))
    return events


def whole(events: list[Payload], words: str = CARD) -> Read:
    """Check the only read event against the card, and return it."""
    card = citizen(words)
    (read,) = [event for event in events if isinstance(event, Read)]
    assert read.person is not None
    assert (read.person.number, read.person.photo_wlt) == (card.number, card.photo)
    assert b"".join(read.person.fingerprints or ()) == card.fingerprints
    assert read.person.new_addresses == card.addresses
    return read


def test_open_says_who_it_is_and_opens_again_at_once(desk: Desk) -> None:
    desk.plug()
    made = desk.driver()
    for _ in range(3):
        info = made.open()
        assert (info.model, info.serial) == ("SAM_V", "05.03-20140124-0001234567-0012345678")
        made.close()
    other = desk.opened()
    with pytest.raises(DeviceBusy):
        made.open()
    other.close()
    made.open()


@pytest.mark.parametrize("rate", [115200, 57600])
def test_the_rate_is_found(desk: Desk, rate: int) -> None:
    desk.plug(baud=rate, wrong_baud="garbage")
    assert desk.driver().open().serial is not None


@pytest.mark.parametrize("removal", [False, True])
@pytest.mark.parametrize("words", [CARD, "J seed=2 addresses=1", "I seed=3", "Y seed=4", "vector"])
def test_full(desk: Desk, words: str, removal: bool) -> None:
    desk.plug(requires_removal=removal)
    made = desk.opened(**FULL)
    desk.do(f"insert {words}")
    events = polled(made, 2)
    whole(events, words)
    for _ in range(3):
        assert list(made.poll(FAST_S)) == []
    desk.do("remove")
    events += polled(made, 1)
    assert told(events) == ["presented", "read", "removed"]


def test_fields(desk: Desk) -> None:
    desk.plug()
    made = desk.opened(**FIELDS)
    desk.do(f"insert {CARD}")
    read = polled(made, 2)[1]
    assert isinstance(read, Read)
    assert read.person is not None
    assert (read.person.name, read.person.address) == (citizen(CARD).name, None)


@pytest.mark.parametrize("mode", ["presence", "verify"])
def test_announced_only(desk: Desk, mode: str) -> None:
    desk.plug()
    made = desk.opened(read=mode)
    desk.do(f"insert {CARD}")
    events = polled(made, 1)
    desk.do("remove")
    assert told(events + polled(made, 1)) == ["presented", "removed"]
    assert not {"command_3001", "command_3003", "command_3010"} & desk.bench.counters(NAME).keys()


@pytest.mark.parametrize("same", [True, False])
def test_verify(desk: Desk, same: bool) -> None:
    desk.plug()
    made = desk.opened()
    desk.do(f"insert {CARD}")
    number = citizen(CARD if same else "resident seed=8").number
    events = list(made.execute(ReadCard(number=number), PatientJob()))
    read = events[-1]
    assert isinstance(read, Read)
    assert (read.verified, read.person) == (same, None)


def test_a_command_interrupts_a_waiting_poll(desk: Desk) -> None:
    desk.plug()
    made = desk.opened(find_interval_s=5.0)
    port = made.port
    assert isinstance(port, DevicePort)
    timer = threading.Timer(0.1, port.wake)
    timer.start()
    before = time.monotonic()
    assert list(made.poll(5.0)) == []
    assert time.monotonic() - before < 2.0
    timer.join()


HARMLESS = ["chunk 1 times=20", "chunk 64 times=20", "garbage 50 times=20", "late 0.2 times=3", "wrong-checksum"]
HARMLESS += ["truncate 6", "status 10 times=2", "status 11", "status 41", "status 32", "status 47", "status 24"]
HARMLESS += ["late 1.3 answer=2001"]


@pytest.mark.parametrize("fault", HARMLESS)
def test_faults_between_card_and_event(desk: Desk, fault: str) -> None:
    desk.plug()
    made = desk.opened(**FULL)
    desk.do(fault)
    desk.do(f"insert {CARD}")
    events = polled(made, 2)
    assert told(events) == ["presented", "read"]
    whole(events)


def test_a_preamble_in_the_photo(desk: Desk) -> None:
    desk.plug()
    made = desk.opened(**FULL)
    words = f"{CARD} photo-preamble=1"
    desk.do(f"insert {words}")
    whole(polled(made, 2), words)


@pytest.mark.parametrize("removal", [False, True])
def test_a_different_card_quickly_after(desk: Desk, removal: bool) -> None:
    desk.plug(requires_removal=removal)
    made = desk.opened(**FULL)
    others = [f"resident seed={seed} fingers={seed % 3}" for seed in range(20, 26)]
    events: list[Payload] = []
    for words in others:
        desk.do("remove")
        desk.do(f"insert {words}")
        events += polled(made, 3 if events else 2)
    reads = [event for event in events if isinstance(event, Read)]
    for read, words in zip(reads, others, strict=True):
        whole([read], words)
    assert all(one.holder != two.holder for one, two in pairwise(reads))


def test_lenient(desk: Desk) -> None:
    desk.plug(lenient=True)
    made = desk.opened(read="full", purpose="test", lenient=True)
    desk.do(f"insert {CARD}")
    events = polled(made, 2)
    desk.do("remove")
    assert told(events + polled(made, 1)) == ["presented", "read", "removed"]


@pytest.mark.parametrize(
    ("status", "reason"), [("32", "card-not-genuine"), ("40", "not-an-id-card"), ("41", "read-failed")]
)
def test_rejected(desk: Desk, status: str, reason: str) -> None:
    desk.plug()
    made = desk.opened(**FULL)
    desk.do(f"status {status} times=100")
    desk.do(f"insert {CARD}")
    event = polled(made, 2)[1]
    assert isinstance(event, Rejected)
    assert (event.reason, event.status) == (reason, status)


@pytest.mark.parametrize("status", ["60", "66"])
def test_a_broken_reader(desk: Desk, status: str) -> None:
    desk.plug()
    made = desk.opened()
    desk.do(f"selftest-bad {status}")
    with pytest.raises(DeviceFault) as caught:
        polled(made, 1)
    assert caught.value.code == f"IDC-1{status}"


@pytest.mark.slow
def test_a_mute_reader(desk: Desk) -> None:
    desk.plug()
    made = desk.opened()
    desk.do("mute")
    with pytest.raises(DeviceTimeout):
        polled(made, 1)


@pytest.mark.parametrize("offset", [0, 1, 7, 14, 300, 1023, 1295, 1808])
def test_pulled_in_the_middle_of_a_record(desk: Desk, offset: int) -> None:
    desk.plug()
    made = desk.opened(**FULL)
    desk.do(f"unplug-after {offset} answer=3010")
    desk.do(f"insert {CARD}")
    events: list[Payload] = []
    with pytest.raises(DeviceLost):
        events.extend(made.poll(FAST_S))
    assert told(events) == ["presented"]
    made.close()
    with pytest.raises(DeviceAbsent):
        made.open()
    desk.do("plug")
    made.open()
    whole(polled(made, 2))
