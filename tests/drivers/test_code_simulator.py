"""The scanner's driver against its simulator, over a real pseudo-terminal and the real link."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.code_serial import CODES, CodeSettings, SerialScanner
from edge.errors import DeviceLost
from edge.events import Payload, Scanned
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.bench import Bench
from tests.support.wait import wait_until


class Desk:
    """A simulated gun, opened by the driver."""

    def __init__(self, bench: Bench, options: dict[str, Any] | None = None, **settings: Any) -> None:
        self.bench = bench
        bench.add("gun", "code_serial", **(options or {}))
        self.port = DevicePort("gun", parse_address(f"serial://{bench.path('gun')}"))
        self.driver = SerialScanner(CodeSettings(**settings), self.port)
        self.driver.open()

    def scan(self, text: str, codes: int = 1) -> list[Scanned]:
        self.bench.do(f"gun scan {text}")
        return self.collect(codes)

    def collect(self, codes: int, within_s: float = 5) -> list[Scanned]:
        events: list[Payload] = []

        def polled() -> bool:
            events.extend(self.driver.poll(0.5))
            return len(events) >= codes

        wait_until(polled, within_s, f"{codes} codes")
        return [event for event in events if isinstance(event, Scanned)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        yield bench


@pytest.mark.parametrize("terminator", ["cr", "lf", "crlf"])
def test_a_code_whatever_the_terminator(bench: Bench, terminator: str) -> None:
    desk = Desk(bench, {"terminator": terminator, "aim": "]Q1"})
    (event,) = desk.scan("A001")
    desk.driver.close()
    assert (event.text, event.symbology, event.aim) == ("A001", "qr-code", "]Q1")


@pytest.mark.parametrize("terminator", ["tab", "none", "crlf"])
def test_a_terminator_that_is_set(bench: Bench, terminator: Any) -> None:
    desk = Desk(bench, {"terminator": terminator}, terminator=terminator)
    assert [event.text for event in desk.scan("A001")] == ["A001"]
    desk.driver.close()


def test_a_slow_line_and_text_in_gbk(bench: Bench) -> None:
    desk = Desk(
        bench, {"encoding": "gb18030", "pace": 0.004, "prefix": "0x02", "suffix": "0x03"}, prefix="\x02", suffix="\x03"
    )
    (event,) = desk.scan("排队号码：张三")
    desk.driver.close()
    assert (event.text, event.encoding, event.length_bytes) == ("排队号码：张三", "gb18030", 14)


def test_a_code_held_before_the_gun_is_one_event(bench: Bench) -> None:
    desk = Desk(bench)
    bench.do("gun scan A001 repeat=10 gap=0.01")
    bench.do("gun scan A002")
    assert [event.text for event in desk.collect(2)] == ["A001", "A002"]
    desk.driver.close()
    assert desk.driver.counts["duplicates"] == 9


def test_a_flood_comes_whole_and_in_order(bench: Bench) -> None:
    desk = Desk(bench)
    scanning = threading.Thread(target=bench.do, args=["gun flood 2000 rate=5000"])
    scanning.start()
    events = desk.collect(2000, within_s=20)
    scanning.join()
    desk.driver.close()
    assert [event.text for event in events] == [f"SIM-{n:07}" for n in range(1, 2001)]


def test_the_cable_is_pulled_and_plugged_in_again(bench: Bench) -> None:
    desk = Desk(bench)
    bench.do("gun scan HALF terminator=none")
    assert desk.driver.poll(1) == []
    bench.do("gun unplug")
    with pytest.raises(DeviceLost) as caught:
        desk.driver.poll(1)
    assert "HALF" not in str(caught.value)
    desk.driver.close()
    bench.do("gun plug")
    desk.driver.open()
    assert [event.text for event in desk.scan("WHOLE")] == ["WHOLE"]
    desk.driver.close()


def test_a_code_that_breaks_off_is_dropped(bench: Bench) -> None:
    desk = Desk(bench)
    bench.do("gun scan HALF terminator=none")
    dropped = CODES["SCN-101"]
    wait_until(lambda: desk.driver.poll(0.05) or desk.driver.counts[dropped], what="the drop")
    assert [event.text for event in desk.scan("WHOLE")] == ["WHOLE"]
    desk.driver.close()
