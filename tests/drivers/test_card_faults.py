"""Cards torn out at every byte, readers and services that come and go, other programs, and who may not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from drivers._card_settings import CardSettings
from edge.errors import DeviceAbsent, DeviceAccess, DeviceError, DeviceLost, DeviceTimeout
from edge.events import CardRead, CardRejected, ReadSmartCard
from edge.lanes.process import RemoteDriver
from edge.links.address import parse_address
from edge.port import DevicePort
from tests.contract.harness import polled
from tests.drivers.card_rig import LINK, Impatient, Simulator, Window, forgotten, leading_to, told
from tests.support.wait import wait_until

FULL = {"read": "full", "purpose": "test"}
SOON_S = 1.0
BACK_S = 2.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("pcsc"))
    yield simulator
    simulator.close()


@pytest.fixture
def window(service: Simulator) -> Iterator[Window]:
    service.reset()
    with leading_to(service.path) as address:
        one = Window(address, **FULL)
        yield one
        one.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.card_pcsc.OPEN_WAIT_S", 0.0)


def until(error: type[DeviceError], code: str, window: Window) -> list[str]:
    """Poll until that *error* is raised; return the events before it."""
    seen: list[str] = []

    def poll() -> None:
        while True:
            for event in window.driver.poll(0.5):
                seen.extend(told([event]))

    with pytest.raises(error, match=code):
        poll()
    return seen


def exchanged(service: Simulator, window: Window, card: str) -> int:
    """Return how many bytes pass between reader and card while it is read."""
    before = service.counters().get("card_bytes", 0)
    service.do(f"insert {card}")
    assert told(window.polled(2)) == ["inserted:cpu", "read:social-security"]
    service.do("remove")
    window.polled(1)
    return service.counters().get("card_bytes", 0) - before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("card", "how", "step"),
    [
        ("social-security seed=7", "removed", 1),
        ("social-security seed=7", "failed", 23),
        ("social-security seed=7 protocol=t0", "removed", 5),
        ("social-security seed=7 interface=contactless by=tag", "failed", 29),
    ],
)
def test_a_card_torn_out_at_every_byte(service: Simulator, window: Window, card: str, how: str, step: int) -> None:
    """FAULTS D14: rejected and removed, no part of a person, the handle let go, the next card is read."""
    window.open()
    size = exchanged(service, window, card)
    assert size > 250
    torn_before = service.counters().get("torn", 0)
    for byte in range(0, size, step):
        service.do(f"tear at={byte} how={how}", f"insert {card}")
        events = window.polled(3)
        assert told(events) == ["inserted:cpu", "rejected:removed-too-early", "removed"], byte
        assert not any(isinstance(event, CardRead) for event in events)
    torn = service.counters()["torn"] - torn_before
    assert torn >= len(range(0, size, step))
    service.do("insert storage")
    began = time.monotonic()
    assert told(window.polled(2)) == ["inserted:storage", "read:storage"]
    assert time.monotonic() - began < SOON_S
    forgotten(service)


def test_what_fails_while_the_card_stays_is_no_removal(service: Simulator, window: Window) -> None:
    window.open()
    service.do("insert script answers=90")
    events = window.polled(2)
    assert told(events) == ["inserted:cpu", "rejected:read-failed"]
    assert isinstance(events[1], CardRejected)
    assert events[1].advice == "lay-card-again"
    forgotten(service)


# --- the reader


def test_a_reader_pulled_with_its_card_is_lost_after_the_card(service: Simulator, window: Window) -> None:
    window.open()
    service.do("insert storage")
    window.polled(2)
    service.do("reader unplug")
    assert until(DeviceLost, "PCS-105", window) == ["removed"]
    with pytest.raises(DeviceAbsent, match="PCS-103"):
        window.open()
    service.do("reader plug", "insert storage")
    window.open()
    assert told(window.polled(2)) == ["inserted:storage", "read:storage"]


def test_a_reader_pulled_while_its_card_is_read(service: Simulator, window: Window) -> None:
    window.open()
    service.do("insert slow delay=0.05")
    with Later(lambda: service.do("reader unplug")):
        seen = until(DeviceLost, "PCS-105", window)
    assert seen == ["inserted:cpu", "rejected:removed-too-early", "removed"]


def test_a_reader_is_found_as_soon_as_it_is_plugged_in(
    service: Simulator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening waits for it; how long it takes is bound by the service's notice."""
    monkeypatch.setattr("drivers.card_pcsc.OPEN_WAIT_S", 5.0)
    service.do("reader unplug")
    late = []
    for _ in range(5):
        with Later(lambda: service.do("reader plug")) as plugged:
            window.open()
            late.append(time.monotonic() - plugged.at)
        window.close()
        service.do("reader unplug")
    assert sorted(late)[2] < 0.05


class Later:
    """Does something in a thread of its own, a moment from now."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.at = 0.0
        self._work = work
        self._thread = threading.Timer(0.15, self._run)

    def __enter__(self) -> Later:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        self.at = time.monotonic()
        self._work()


# --- the service


@pytest.mark.parametrize("how", ["stop", "stop stale=1"])
def test_no_service_is_absent(service: Simulator, window: Window, how: str) -> None:
    service.do(how)
    with pytest.raises(DeviceAbsent, match="PCS-101") as caught:
        window.open()
    assert "systemctl start pcscd.socket" in caught.value.action
    assert (str(LINK) in caught.value.message) == (how == "stop")


def test_a_service_that_ends_takes_card_and_reader_with_it(service: Simulator, window: Window) -> None:
    window.open()
    service.do("insert storage")
    window.polled(2)
    service.do("stop")
    assert until(DeviceLost, "PCS-106", window) == ["removed"]


def test_a_service_that_ends_in_the_middle_of_a_card(service: Simulator, window: Window) -> None:
    window.open()
    service.do("insert slow delay=0.05")
    with Later(lambda: service.do("stop")):
        assert until(DeviceLost, "PCS-106", window) == ["inserted:cpu", "removed"]


def test_a_service_that_restarts_is_found_again(service: Simulator, window: Window) -> None:
    for _ in range(3):
        window.open()
        service.do("insert storage")
        window.polled(2)
        service.do("restart")
        with pytest.raises(DeviceLost, match="PCS-106"):
            list(window.driver.poll(1.0))
        began = time.monotonic()
        window.open()
        assert told(window.polled(2)) == ["inserted:storage", "read:storage"]
        assert time.monotonic() - began < SOON_S


def test_opening_waits_for_a_service_that_is_starting(
    service: Simulator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.card_pcsc.OPEN_WAIT_S", 5.0)
    service.do("stop")
    with Later(lambda: service.do("start")) as started:
        window.open()
        assert time.monotonic() - started.at < BACK_S


# --- rights


def test_who_may_not_use_the_service_is_denied(service: Simulator, window: Window) -> None:
    service.do("deny")
    for _ in range(5):  # the library says "no service" or "not allowed", as it happens
        with pytest.raises(DeviceAccess, match=r"PCS-102.*org\.debian\.pcsc-lite\.access_pcsc"):
            window.open()
    service.do("allow")
    window.open()


def test_who_may_not_touch_cards_is_denied_too(service: Simulator, window: Window) -> None:
    service.do("deny card")
    with pytest.raises(DeviceAccess, match="PCS-102"):
        window.open()


def test_a_right_that_is_taken_away(service: Simulator, window: Window) -> None:
    window.open()
    service.do("deny card", "insert social-security")
    assert until(DeviceAccess, "PCS-102", window) == ["inserted:cpu", "removed"]


# --- other programs


def test_a_card_that_another_program_holds_is_named_and_read_when_it_is_free(
    service: Simulator, window: Window
) -> None:
    window.open()
    service.do("insert storage", "hold")
    events = window.polled(2)
    if told(events) == ["inserted:storage", "read:storage"]:  # faster than the other program
        events = window.executed(ReadSmartCard())
    assert told(events)[-1] == "rejected:held"
    service.do("release")
    assert told(window.polled(1)) == ["read:storage"]


def test_a_transaction_of_another_program_is_waited_for(service: Simulator, window: Window) -> None:
    window.open()
    service.do("hold transaction")
    service.do("insert storage")
    with Later(lambda: service.do("release")) as freed:
        events = window.polled(2)
        assert time.monotonic() >= freed.at > 0
    assert told(events) == ["inserted:storage", "read:storage"]


@pytest.mark.parametrize("byte", [0, 30, 60, 200])
def test_a_reset_by_another_program_is_begun_anew_once(service: Simulator, window: Window, byte: int) -> None:
    window.open()
    service.do(f"tear at={byte} how=reset", "insert social-security seed=7")
    assert told(window.polled(2)) == ["inserted:cpu", "read:social-security"]
    forgotten(service)


# --- a service that hangs


@pytest.mark.slow
def test_a_service_that_hangs_hangs_nobody_for_long(service: Simulator) -> None:
    """The driver's process is ended, and with a service that answers again another one works."""
    service.reset()
    with leading_to(service.path) as address:
        driver = RemoteDriver(
            Impatient, CardSettings(), DevicePort("card", parse_address(address, Impatient.addresses))
        )
        try:
            driver.open()
            service.do("freeze")
            began = time.monotonic()
            with pytest.raises(DeviceTimeout):
                wait_until(lambda: list(driver.poll(0.2)) and False, SOON_S * 5)
            assert time.monotonic() - began < SOON_S * 3
            service.do("thaw", "insert storage")
            driver.open()
            assert told(polled(driver, lambda events: len(events) == 2)) == ["inserted:storage", "read:storage"]
        finally:
            driver.close()
