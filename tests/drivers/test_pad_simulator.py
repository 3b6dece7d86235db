"""The pad's driver against its simulator, over a real pseudo-terminal and the real link."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from drivers.pad_serial import CODES, PadSettings, SerialPad
from edge.errors import DeviceError, DeviceLost, JobCancelled
from edge.events import Declined, Evaluate, Interrupted, Payload, Rated, TimedOut
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.bench import Bench
from tests.drivers.test_pad_fakes import PADS, SESSION
from tests.support.wait import wait_until

profiles = pytest.mark.parametrize("name", PADS)
asked = pytest.mark.parametrize("name", [name for name, pad in PADS.items() if pad.request])
repeating = pytest.mark.parametrize("name", [name for name, pad in PADS.items() if pad.repeat_s])


class Job:
    """A job that the test can cancel from its own thread."""

    request_id = SESSION

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.checks = 0

    def check(self) -> None:
        self.checks += 1
        if self.cancelled.is_set():
            raise JobCancelled("cancelled by the test")

    def remaining_s(self) -> float:
        return 60.0

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        raise NotImplementedError


class Desk:
    """A simulated pad, opened by the driver; a session runs in a thread, as in a lane."""

    def __init__(self, bench: Bench, name: str, **options: Any) -> None:
        self.bench, self.name = bench, name
        bench.add("pad", "pad_serial", profile=name, **options)
        self.port = DevicePort("pad", parse_address(f"serial://{bench.path('pad')}"), public_traffic=True)
        self.driver = SerialPad(PadSettings(profile=name), self.port)
        self.driver.open()

    def session(self, job: Job, timeout_s: int = 20) -> Future[list[Payload | DeviceError | JobCancelled]]:
        """Start a session; its result are the events and, at the end, the error that was raised."""
        future: Future[list[Payload | DeviceError | JobCancelled]] = Future()

        def run() -> None:
            got: list[Payload | DeviceError | JobCancelled] = []
            try:
                got.extend(self.driver.execute(Evaluate(timeout_s=timeout_s, staff="7"), job))
            except (DeviceError, JobCancelled) as error:
                got.append(error)
            except BaseException as error:
                future.set_exception(error)
                raise
            future.set_result(got)

        checks = job.checks
        threading.Thread(target=run, name="session", daemon=True).start()
        if PADS[self.name].request:
            self.bench.do("pad wait-request 5")
        wait_until(lambda: job.checks > checks + 1, what="the session waits")
        return future

    def run(self, deed: str, timeout_s: int = 20) -> list[Payload | DeviceError | JobCancelled]:
        """Run one session in which *deed* happens."""
        session = self.session(Job(), timeout_s)
        if deed:
            self.bench.do(f"pad {deed}")
        return session.result(10)

    def counted(self, counter: str, at_least: int = 1) -> None:
        self.bench.wait_count("pad", counter, at_least)

    def poll_until_counted(self, what: str, at_least: int = 1) -> None:
        def polled() -> bool:
            assert list(self.driver.poll(0.05)) == []
            return self.driver.counts[what] >= at_least

        wait_until(polled, what=what)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        yield bench


@pytest.fixture
def desk(bench: Bench, name: str) -> Iterator[Desk]:
    desk = Desk(bench, name)
    yield desk
    desk.driver.close()


@profiles
@pytest.mark.parametrize("level", [1, 5])
def test_a_rating(desk: Desk, level: int) -> None:
    (event,) = desk.run(f"press {level}")
    assert isinstance(event, Rated)
    assert (event.level, event.session, event.flags) == (level, SESSION, ("too-fast",))
    if PADS[desk.name].taken:
        desk.counted("acks")
        assert desk.bench.counters("pad").get("repeats", 0) == 0
    assert desk.bench.counters("pad").get("bad_frames", 0) == 0
    assert desk.port.simulated


def test_reasons(bench: Bench) -> None:
    desk = Desk(bench, "stx_len16")
    (event,) = desk.run("press 1 reasons=401,512")
    desk.driver.close()
    assert isinstance(event, Rated)
    assert [reason.code for reason in event.reasons] == ["401", "512"]


@pytest.mark.parametrize("name", [name for name, pad in PADS.items() if pad.declined])
def test_declined(desk: Desk) -> None:
    (event,) = desk.run("press decline")
    assert isinstance(event, Declined)


@pytest.mark.parametrize("name", ["ascii_keys", "aa55_xor"])
@pytest.mark.slow
def test_timed_out(desk: Desk) -> None:
    (event,) = desk.run("", timeout_s=3)
    assert isinstance(event, TimedOut)
    assert 2900 <= event.waited_ms <= 3500


@profiles
def test_cancelled(desk: Desk) -> None:
    job = Job()
    session = desk.session(job)
    job.cancelled.set()
    event, error = session.result(1)
    assert isinstance(event, Interrupted)
    assert event.reason == "cancelled"
    assert isinstance(error, JobCancelled)
    if PADS[desk.name].cancel:
        desk.counted("cancels")


@profiles
def test_the_cable_is_pulled_in_a_session_and_plugged_in_again(desk: Desk) -> None:
    event, error = desk.run("unplug")
    assert isinstance(event, Interrupted)
    assert event.reason == "device-error"
    assert isinstance(error, DeviceLost)
    desk.driver.close()
    desk.bench.do("pad plug")
    desk.driver.open()
    (event,) = desk.run("press 4")
    assert isinstance(event, Rated)
    assert event.level == 4


@profiles
def test_a_key_outside_a_session(bench: Bench, name: str) -> None:
    desk = Desk(bench, name, always=1)
    bench.do("pad press 1")
    desk.poll_until_counted(CODES["PAD-103"])
    if PADS[name].taken:
        desk.counted("acks")
    desk.driver.close()


@profiles
def test_the_key_of_the_citizen_before(bench: Bench, name: str) -> None:
    desk = Desk(bench, name, always=1)
    bench.do("pad press 1")
    desk.counted("presses")
    (event,) = desk.run("press 5")
    desk.driver.close()
    assert isinstance(event, Rated)
    assert event.level == 5


@repeating
def test_a_key_is_repeated_until_the_event_is_durable(desk: Desk) -> None:
    """The store takes its time: the pad repeats meanwhile, and the session still ends with one event."""
    job = Job()
    session = desk.driver.execute(Evaluate(timeout_s=20), job)
    pressing = threading.Thread(target=desk.bench.run, args=["pad wait-request 5\npad press 2\n"])
    pressing.start()
    event = next(iter(session))
    pressing.join()
    assert isinstance(event, Rated)
    desk.counted("repeats")
    assert desk.bench.counters("pad").get("acks", 0) == 0
    assert list(session) == []
    desk.counted("acks")
    desk.poll_until_counted("repeats")
    assert desk.driver.counts[CODES["PAD-103"]] == 0
    assert isinstance(desk.run("press 2")[0], Rated)


@profiles
def test_two_citizens_press_the_same_key_one_after_the_other(desk: Desk) -> None:
    for _ in range(2):
        (event,) = desk.run("press 3")
        assert isinstance(event, Rated)
        assert event.level == 3


@profiles
def test_a_held_key_is_one_rating_and_a_flood_is_survived(bench: Bench, name: str) -> None:
    desk = Desk(bench, name, always=1)
    (event,) = desk.run("press 4 times=300 rate=3000")
    assert isinstance(event, Rated)
    assert event.level == 4
    (event,) = desk.run("press 2")
    desk.driver.close()
    assert isinstance(event, Rated)
    assert event.level == 2


@asked
def test_noise_before_the_answer(desk: Desk) -> None:
    session = desk.session(Job())
    desk.bench.do("pad press raw=0055aa40ff68101068020101")
    desk.bench.do("pad press 5")
    (event,) = session.result(5)
    assert isinstance(event, Rated)
    assert event.level == 5


@pytest.mark.slow
def test_heartbeats_prove_life(bench: Bench) -> None:
    desk = Desk(bench, "addressable")
    assert desk.port.last_proof is None  # an open line proves nothing yet

    def heard() -> bool:
        assert list(desk.driver.poll(1)) == []
        return desk.port.last_proof is not None

    wait_until(heard, 7, "a heartbeat")
    desk.driver.close()
    assert not desk.driver.counts
