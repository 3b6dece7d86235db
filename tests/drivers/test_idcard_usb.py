"""The ID-card driver over USB: the same events as over a serial line, and a cable that is pulled anywhere."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers._sdt_frame import body_bytes
from drivers.idcard_sdt import SdtIdCardDriver
from edge.driver import DeviceInfo
from edge.errors import DeviceAbsent, DeviceLost
from edge.events import Payload, Read
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.bench import Bench
from tests.contract.desk import nothing_left
from tests.contract.harness import plain
from tests.core.usb_rig import Scissors
from tests.recordings.recorder import Recorder

WAYS = {
    "serial": ("idcard_sdt", {}),
    "usb2": ("idcard_usb", {"layout": "two-pair"}),
    "usb1": ("idcard_usb", {"layout": "one-pair"}),
}
usb_ways = pytest.mark.parametrize("way", ["usb2", "usb1"])
PEOPLE = ("resident seed=2 long=1 addresses=2", "Y seed=3", "J seed=4")
FULL = {"read": "full", "purpose": "test"}
CARD_SETTINGS = SdtIdCardDriver.settings_type(read="full", purpose="test", find_interval_s=0.05)
CUTS = 14


@contextmanager
def window(folder: Path, way: str, **options: object) -> Iterator[tuple[Bench, str]]:
    """Yield a bench with the reader ``id-1`` and its address."""
    model, layout = WAYS[way]
    with Bench(folder) as bench:
        bench.add("id-1", model, **layout, **options)
        yield bench, bench.address("id-1")


def made(address: str, **settings: Any) -> SdtIdCardDriver:
    chosen = SdtIdCardDriver.settings_type(**{"find_interval_s": 0.05, **settings})
    assert chosen.problems() == {}
    parsed = parse_address(address, SdtIdCardDriver.addresses)
    return SdtIdCardDriver(chosen, DevicePort("id-1", parsed, b"usb"))


def opened(address: str, **settings: Any) -> SdtIdCardDriver:
    driver = made(address, **settings)
    driver.open()
    return driver


def polled(driver: SdtIdCardDriver, times: int = 2) -> list[Payload]:
    return [event for _ in range(times) for event in driver.poll(0.05)]


def polled_into(driver: SdtIdCardDriver, events: list[Payload], times: int = 20) -> None:
    """Keep what comes before an error."""
    for _ in range(times):
        for event in driver.poll(0.0):
            events.append(event)  # noqa: PERF402  # extend() would lose those before an error


def day(folder: Path, way: str, **settings: Any) -> tuple[DeviceInfo, list[dict[str, object]]]:
    """Let people come one after the other; return who the reader is and what came of them."""
    with window(folder, way) as (bench, address):
        driver = made(address, **settings)
        info, events = driver.open(), list[Payload]()
        for person in PEOPLE:
            bench.do(f"id-1 insert {person}")
            events += polled(driver)
            bench.do("id-1 remove")
            events += polled(driver)
        driver.close()
    return info, [plain(event) for event in events]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {**FULL, "fingerprints": True, "new_addresses": True}], ids=["verify", "all"])
def test_the_same_day_over_every_way(tmp_path: Path, settings: dict[str, Any]) -> None:
    days = {way: day(tmp_path / way, way, **settings) for way in WAYS}
    assert days["usb2"] == days["serial"]
    assert days["usb1"] == days["serial"]
    kinds = [event["type"] for event in days["serial"][1]]
    assert kinds.count("id-card.removed") == len(PEOPLE)
    assert kinds.count("id-card.read") == (len(PEOPLE) if settings else 0)


FAULTS = (
    "wrong-checksum answer=3001",
    "garbage 9 answer=3001",
    "chunk 7 answer=3001",
    "late 1.2 answer=2001",
    "status 41 answer=3001",
    "garbage hex=AAAAAA9669 answer=2002",
    "truncate 700 answer=3001",
)


def faulty_visit(folder: Path, way: str, fault: str) -> list[dict[str, object]]:
    with window(folder, way) as (bench, address):
        driver = opened(address, **FULL)
        bench.do(f"id-1 {fault}")
        bench.do("id-1 insert resident seed=1")
        events = polled(driver, 4)
        driver.close()
    return [plain(event) for event in events]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_reader_is_the_same_over_every_way(tmp_path: Path, fault: str) -> None:
    visits = {way: faulty_visit(tmp_path / way, way, fault) for way in WAYS}
    assert visits["usb2"] == visits["serial"]
    assert visits["usb1"] == visits["serial"]
    assert [event["type"] for event in visits["serial"]][:1] == ["id-card.presented"]


@usb_ways
def test_the_link_says_that_it_is_a_simulator(tmp_path: Path, way: str) -> None:
    with window(tmp_path, way) as (_, address):
        driver = opened(address)
        assert isinstance(driver.port, DevicePort)
        assert driver.port.simulated
        driver.close()


@usb_ways
def test_a_rate_is_never_looked_for(tmp_path: Path, way: str) -> None:
    with window(tmp_path, way) as (bench, address):
        bench.do("id-1 mute")
        driver = made(address)
        with nothing_left(), pytest.raises(Exception, match="IDC-101"):
            driver.open()


@usb_ways
def test_its_traffic_can_be_recorded(tmp_path: Path, way: str) -> None:
    """A recording holds the frames and not how they lay on endpoints: it replays like one of a serial line."""
    with window(tmp_path, way) as (bench, address):
        bench.do("id-1 insert resident seed=1")
        recorder = Recorder(DevicePort("id-1", parse_address(address), b"usb"))
        seen = _visit(SdtIdCardDriver(CARD_SETTINGS, recorder))
        recorder.write(tmp_path / "usb.rec", "idcard_sdt")
    replay = DevicePort("id-1", parse_address(f"replay://{tmp_path}/usb.rec"), b"usb")
    assert _visit(SdtIdCardDriver(CARD_SETTINGS, replay)) == seen
    assert [event["type"] for event in seen] == ["id-card.presented", "id-card.read"]


def _visit(driver: SdtIdCardDriver) -> list[dict[str, object]]:
    driver.open()
    events = polled(driver)
    driver.close()
    return [plain(event) for event in events]


# --- the cable is pulled


def visit(address: str) -> list[Payload]:
    """Open, read the card that lies there, look once more, close; an error of the device ends it."""
    events: list[Payload] = []
    driver = made(address, **FULL)
    try:
        driver.open()
        polled_into(driver, events, 2)
    except (DeviceLost, DeviceAbsent):
        pass
    finally:
        driver.close()
    return events


def messages(said: bytes) -> list[int]:
    """Return where the USB/IP messages of *said* end: the import, and every answer to a transfer."""
    ends = [320]
    while ends[-1] + 48 <= len(said):
        at = ends[-1]
        command, _, _, _, _, _, moved = struct.unpack_from(">IIIIIiI", said, at)
        is_in = command == 3 and said[at + 48 + moved - 1 : at + 48 + moved] and _looks_like_next(said, at + 48 + moved)
        ends.append(at + 48 + (moved if is_in else 0))
    return ends


def _looks_like_next(said: bytes, at: int) -> bool:
    return at == len(said) or said[at : at + 4] in (b"\0\0\0\3", b"\0\0\0\4")


@usb_ways
@pytest.mark.slow
def test_the_cable_pulled_at_every_transfer_and_inside_messages(tmp_path: Path, way: str) -> None:
    """What was read stands or does not; half a card is never told, and nothing is left behind."""
    with window(tmp_path, way, requires_removal=False) as (bench, address):
        bench.do("id-1 insert resident seed=1")
        with Scissors(address) as whole:
            (*_, read) = facts = [plain(event) for event in visit(whole.address)]
            ends = messages(bytes(whole.carried))
        assert read["type"] == "id-card.read"
        assert len(ends) > 40
        cuts = sorted({0, 1, 7, 8, 100, *ends, *(end - 1 for end in ends[::9]), *(end + 20 for end in ends[::9])})
        with nothing_left():
            for cut in cuts:
                with Scissors(address, max(1, cut)) as scissors:
                    seen = [plain(event) for event in visit(scissors.address)]
                assert all(event in facts for event in seen), cut
                assert len(seen) <= len(facts)
        assert [plain(event) for event in visit(address)] == facts


@usb_ways
@pytest.mark.slow
def test_the_reader_pulled_after_every_few_bytes_of_its_answers(tmp_path: Path, way: str) -> None:
    with window(tmp_path, way) as (bench, address):
        bench.do("id-1 insert resident seed=1")
        commands = {"2001": 15, "2002": 19, "3001": 1295, "3003": 11}
        for command, size in commands.items():
            for count in sorted({*range(0, size, max(1, size // CUTS)), size - 1}):
                driver = opened(address, **FULL)
                bench.do("id-1 remove")
                bench.do(f"id-1 unplug-after {count} answer={command}")
                bench.do("id-1 insert resident seed=1")
                seen: list[Payload] = []
                with pytest.raises(DeviceLost):
                    polled_into(driver, seen)
                assert not [event for event in seen if isinstance(event, Read)] or command == "3003"
                driver.close()
                bench.do("id-1 plug")


# --- the layouts


def test_heads_and_bodies() -> None:
    assert body_bytes(bytes.fromhex("AAAAAA96690508")) == 0x0508
    assert body_bytes(bytes.fromhex("AAAAAA96690003")) is None
    assert body_bytes(bytes.fromhex("AAAAAA9669FFFF")) is None
    assert body_bytes(bytes.fromhex("AAAAAA96680508")) is None
