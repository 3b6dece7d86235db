"""Cards torn out at every byte, readers and services that come and go, other programs, and who may not."""

from __future__ import annotations

import time

import pytest

from edge.errors import DeviceAbsent, DeviceLost
from edge.events import CardRead, CardRejected
from tests.drivers.card_rig import LINK, Later, Simulator, Window, forgotten, told, until

pytestmark = pytest.mark.usefixtures("_impatient")
SOON_S = 1.0
BACK_S = 2.0


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


def test_a_service_that_restarts_is_found_again(
    service: Simulator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does when it has had nothing to do: nobody need know but those who care for the card."""
    monkeypatch.setattr("drivers.card_pcsc.RETURN_S", 5.0)
    window.open()
    service.do("insert storage")
    window.polled(2)
    for _ in range(3):
        began = time.monotonic()
        service.do("restart")
        assert told(window.polled(3)) == ["removed", "inserted:storage", "read:storage"]
        assert time.monotonic() - began < SOON_S
    service.do("stop")
    with Later(lambda: service.do("start")) as started:
        assert told(window.polled(3)) == ["removed", "inserted:storage", "read:storage"]
        assert time.monotonic() - started.at < BACK_S


def test_a_service_that_does_not_come_back_is_lost(
    service: Simulator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.card_pcsc.RETURN_S", 0.3)
    window.open()
    service.do("stop")
    began = time.monotonic()
    assert until(DeviceLost, "PCS-106", window) == []
    assert 0.3 <= time.monotonic() - began < SOON_S
    with pytest.raises(DeviceLost, match="is not open"):
        list(window.driver.poll(0.1))


def test_opening_waits_for_a_service_that_is_starting(
    service: Simulator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.card_pcsc.OPEN_WAIT_S", 5.0)
    service.do("stop")
    with Later(lambda: service.do("start")) as started:
        window.open()
        assert time.monotonic() - started.at < BACK_S
