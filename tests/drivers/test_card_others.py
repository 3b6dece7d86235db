"""Who may not use a reader, other programs at the same card, and a service that hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from drivers._card_settings import CardSettings
from edge.errors import DeviceAccess, DeviceBusy, DeviceTimeout
from edge.events import ReadSmartCard
from edge.lanes.process import RemoteDriver
from edge.links.address import parse_address
from edge.port import DevicePort
from tests.contract.harness import polled
from tests.drivers.card_rig import READER, Impatient, Later, Simulator, Window, forgotten, leading_to, told, until
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("_impatient")
SOON_S = 1.0


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


HOLD = """
import sys, smartcard.scard as scard
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
result, card, _ = scard.SCardConnect(context, sys.argv[1], scard.SCARD_SHARE_EXCLUSIVE, 3)
print(hex(result & 0xFFFFFFFF), flush=True)
sys.stdin.read()
"""


def test_a_reader_that_another_program_has_for_itself_is_held_and_the_program_named(
    service: Simulator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.links.holder.MOST_NAMED", 1000)  # other tests' programs have loaded the library too
    service.do("insert storage")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "0x0\n"
        with pytest.raises(DeviceBusy, match="PCS-109") as caught:
            window.open()
        program.communicate("")
    assert f"(pid {program.pid})" in caught.value.message
    assert caught.value.action.startswith("close ")
    window.open()
    assert told(window.polled(2)) == ["inserted:storage", "read:storage"]


def test_one_that_does_not_let_go_any_more_is_told(
    service: Simulator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that is held for as long as another program needs is no trouble of the reader."""
    window.open()
    service.do("insert storage")
    window.polled(2)
    service.do("hold")
    assert window.quiet(0.3) == []
    monkeypatch.setattr("drivers._card_slot.HELD_S", 0.2)
    assert until(DeviceBusy, "PCS-109", window) == ["removed"]
    with pytest.raises(DeviceBusy, match="PCS-109"):
        window.open()
    service.do("release")
    window.open()
    assert told(window.polled(2)) == ["inserted:storage", "read:storage"]


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
    with leading_to(service.path) as address, ExitStack() as stack:
        first, second = (remote(f"{address}&slot=0") for _ in range(2))
        for one in (first, second):
            stack.callback(one.close)
        first.open()
        service.do("freeze")
        began = time.monotonic()
        with pytest.raises(DeviceTimeout, match="PCS-114"):
            wait_until(lambda: list(first.poll(0.2)) and False, SOON_S * 5)
        assert time.monotonic() - began < SOON_S * 3
        first.close()
        service.do("thaw", "insert storage")
        second.open()
        events = polled(second, lambda events: len(events) == 2)
        assert told(events) == ["inserted:storage", "read:storage"]


def remote(address: str) -> RemoteDriver:
    """Return a driver in a process of its own, as the daemon has it."""
    port = DevicePort("card", parse_address(address, Impatient.addresses))
    return RemoteDriver(Impatient, CardSettings(), port)
