"""Evaluation pads on USB: sessions over key strokes and over reports, in virtual time and against the simulator."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from drivers._hid_keys import PLAIN
from drivers.pad_hid import CODES, HidPad, HidPadSettings
from edge.errors import DeviceLost, JobCancelled
from edge.events import Declined, Evaluate, Interrupted, Payload, Rated, TimedOut
from edge.jobs import DeviceJob
from edge.links import HidLine
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.bench import Bench
from tests.drivers.test_pad_fakes import SESSION, FakeJob, FakeLink, FakePort

CODE_OF = {char: code for code, char in PLAIN.items() if code < 71}
COMMAND = Evaluate(timeout_s=30, form_id="f1", form_version="3")
ASKED, CANCELLED, TAKEN = (bytes.fromhex(text).ljust(8, b"\0") for text in ("01501E", "0152", "01D1"))


class HidFake(FakeLink):
    """Gives one message a read, as a node of the kernel does."""

    def read(self, wait_s: float) -> bytes:
        if not self.idle(wait_s):
            return b""
        if not self.incoming or self.incoming[0][0] > self.clock:
            raise DeviceLost("the fake went away")
        return self.incoming.pop(0)[1]


def keys(text: str) -> bytes:
    """Return the strokes that type *text*."""
    pack = struct.Struct("@llHHi").pack
    return b"".join(pack(0, 0, 1, CODE_OF[char], value) + pack(0, 0, 0, 0, 0) for char in text for value in (1, 0))


def report(text: str) -> bytes:
    return bytes.fromhex(text).ljust(8, b"\0")


class Desk:
    """An opened pad and what it can say."""

    def __init__(self, kind: str, **settings: Any) -> None:
        self.kind = kind
        self.link = HidFake()
        self.port = FakePort(self.link)
        chosen = HidPadSettings(profile=f"hid_{kind}", **settings)
        assert chosen.problems() == {}
        self.driver = HidPad(chosen, self.port)
        self.driver.open()

    def press(self, level: int, after_s: float = 0.0) -> None:
        if self.kind == "keys":
            self.link.say(keys(str(level)), after_s)
        else:
            self.link.say(report(f"0151{6 - level if level else 0x0F:02X}"), after_s)
            self.link.say(report("0151FF"), after_s + 0.1)

    def session(self, job: FakeJob | None = None) -> list[Payload]:
        return list(self.driver.execute(COMMAND, job or FakeJob(self.link)))


kinds = pytest.mark.parametrize("kind", ["keys", "reports"])


@kinds
def test_it_asks_for_its_kind_of_link(kind: str) -> None:
    assert Desk(kind).port.line == HidLine(kind)  # type: ignore[arg-type]


@kinds
@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_a_key_is_a_rating(kind: str, level: int) -> None:
    desk = Desk(kind)
    desk.press(level, 2.0)
    (event,) = desk.session()
    assert isinstance(event, Rated)
    assert (event.session, event.level, event.flags, event.form_id) == (SESSION, level, (), "f1")
    assert 1900 <= event.dwell_ms <= 2000
    assert desk.link.sent() == ([] if kind == "keys" else [ASKED, TAKEN])
    assert not list(desk.driver.poll(0.5))
    assert not desk.port.lines  # the release is nothing


@kinds
def test_a_refusal_and_a_time_out(kind: str) -> None:
    desk = Desk(kind)
    desk.press(0, 2.0)
    (event,) = desk.session()
    assert isinstance(event, Declined)
    list(desk.driver.poll(0.5))
    (event,) = desk.session()
    assert isinstance(event, TimedOut)
    assert desk.link.sent()[2:] == ([] if kind == "keys" else [ASKED, CANCELLED])


def test_the_pads_own_time_out() -> None:
    desk = Desk("reports")
    desk.link.say(report("015100"), 5.0)
    (event,) = desk.session()
    assert isinstance(event, TimedOut)
    assert event.waited_ms == 5000


@kinds
def test_taken_is_told_only_when_the_event_is_durable(kind: str) -> None:
    desk = Desk(kind)
    desk.press(4, 1.0)
    session = desk.driver.execute(COMMAND, FakeJob(desk.link))
    next(session)
    assert TAKEN not in desk.link.sent()
    assert next(session, None) is None
    assert (TAKEN in desk.link.sent()) == (kind == "reports")


@kinds
def test_a_key_outside_a_session_is_no_rating(kind: str) -> None:
    desk = Desk(kind)
    desk.press(1)
    for _ in range(4):
        assert not list(desk.driver.poll(0.2))
    assert desk.driver.counts == {CODES["PAD-103"]: 1}
    desk.press(1)  # for the citizen before
    desk.press(5, 3.0)
    (event,) = desk.session()
    assert isinstance(event, Rated)
    assert event.level == 5


@kinds
def test_too_fast_and_in_a_burst(kind: str) -> None:
    desk = Desk(kind, burst_count=2, burst_window_s=60)
    flags = []
    for _ in range(2):
        desk.press(5, 0.5)
        (event,) = desk.session()
        assert isinstance(event, Rated)
        flags.append(event.flags)
        for _ in range(3):
            list(desk.driver.poll(0.5))
    assert flags == [("too-fast",), ("too-fast", "burst")]


@kinds
def test_cancelled_and_unplugged(kind: str) -> None:
    desk = Desk(kind)
    seen: list[Payload] = []
    with pytest.raises(JobCancelled):
        seen.extend(_each(seen, desk, FakeJob(desk.link, 3.0)))
    assert desk.link.sent() == ([] if kind == "keys" else [ASKED, CANCELLED])
    desk.link.lost_at = desk.link.clock + 2
    with pytest.raises(DeviceLost):
        seen.extend(_each(seen, desk, FakeJob(desk.link)))
    assert [event.reason for event in seen if isinstance(event, Interrupted)] == ["cancelled", "device-error"]


def _each(seen: list[Payload], desk: Desk, job: FakeJob) -> list[Payload]:
    for event in desk.driver.execute(COMMAND, job):
        seen.append(event)  # noqa: PERF402  # extend() would lose those before an error
    return []


def test_enter_behind_the_digit_is_nothing() -> None:
    desk = Desk("keys")
    desk.link.say(keys("5\r"), 2.0)
    (event,) = desk.session()
    assert isinstance(event, Rated)
    list(desk.driver.poll(0.2))
    assert not desk.port.lines


@pytest.mark.parametrize("other", [keys("x"), keys("7"), keys("66")])
def test_other_keys_are_noted_and_nothing_else(other: bytes) -> None:
    desk = Desk("keys")
    desk.link.say(other, 1.0)
    desk.press(2, 2.0)
    (event,) = desk.session()
    assert isinstance(event, Rated)
    assert event.level == 2
    assert desk.driver.counts[CODES["PAD-104"]]


@pytest.mark.parametrize("noise", ["02510300000000", "00", "0151", "01510100", "FF" * 64, "01" + "51" * 63])
def test_other_reports_are_no_rating(noise: str) -> None:
    desk = Desk("reports")
    desk.link.say(bytes.fromhex(noise), 1.0)
    desk.press(2, 2.0)
    (event,) = desk.session()
    assert isinstance(event, Rated)
    assert event.level == 2


# --- against the simulator


@kinds
def test_a_session_with_the_simulator(tmp_path: Path, kind: str) -> None:
    with Bench(tmp_path) as bench:
        bench.add("pad-1", "pad_hid", kind=kind)
        port = DevicePort("pad-1", parse_address(bench.address("pad-1"), HidPad.addresses))
        driver = HidPad(HidPadSettings(profile=f"hid_{kind}"), port)
        driver.open()
        assert port.simulated
        job = DeviceJob(SESSION, COMMAND, time.monotonic() + 60)
        lines = [*(["wait-request"] if kind == "reports" else []), "hold 4 0.2"]
        person = threading.Timer(0.1, bench.run, ["\n".join(f"pad-1 {line}" for line in lines)])
        person.start()
        (event,) = driver.execute(job.command, job)
        person.join()
        assert isinstance(event, Rated)
        assert event.level == 4
        if kind == "reports":
            bench.wait_count("pad-1", "acks")
        bench.do("pad-1 flood 500")
        for _ in range(60):
            assert not list(driver.poll(0.02))
        driver.close()
