"""The driver at a real pcscd, with the simulated cards in the virtual reader of vsmartcard: no root, no hardware.

pcscd asks this reader for cards every 0.4 s; what is judged is the time after its own notice.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers._card_pcsc import Service
from edge.events import CardRead, Transmit, Transmitted
from simulators.vpcd import VirtualSlot
from tests.drivers.card_rig import Later, Window, leading_to, told
from tests.drivers.real_pcscd import READER, START_S, RealPcscd, available
from tests.support.wait import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="needs the packages pcscd and vsmartcard-vpcd"),
]
NOTICE_S = 0.05
BACK_S = 2.0
FULL = {"read": "full", "purpose": "test"}

# What anybody hears from pcscd about the reader, and when: bare pyscard in a process of its own.
WATCHER = """
import sys, time
import smartcard.scard as scard
_, context = scard.SCardEstablishContext(0)
states = [(sys.argv[1], 0)]
while True:
    result, found = scard.SCardGetStatusChange(context, 0xFFFFFFFF, states)
    if result & 0xFFFFFFFF:
        break
    states = [(name, state & ~2) for name, state, _ in found]
    print(time.monotonic(), found[0][1] >> 16, flush=True)
"""


@pytest.fixture(scope="module")
def pcscd() -> Iterator[RealPcscd]:
    with RealPcscd() as real:
        yield real


class Desk:
    """A driver, a slot of the virtual reader, and the service."""

    def __init__(self, pcscd: RealPcscd, window: Window) -> None:
        self.pcscd = pcscd
        self.window = window
        self.slot = VirtualSlot(pcscd.port)

    def clear(self) -> None:
        """Take the card out, and wait until the service knows: it would not see a quick change."""
        self.slot.remove()
        service = Service.connect()
        watch = service.watch(f"{READER} 00 00")

        def is_empty() -> bool:
            watch.look(0.1)
            return watch.seen is not None and not watch.seen.present

        wait_until(is_empty, what="the service knows that there is no card")
        service.close()

    def put(self, card: str) -> list[str]:
        """Insert a card, wait for two events, take it out again, wait for the third."""
        self.slot.do(f"insert {card}")
        events = self.window.polled(2)
        self.slot.remove()
        return told([*events, *self.window.polled(1)])


@pytest.fixture
def desk(pcscd: RealPcscd) -> Iterator[Desk]:
    with ExitStack() as stack:
        address = stack.enter_context(leading_to(pcscd.socket_path))
        window = Window(f"{address}&slot=0", transmit_prefixes=["0084"], **FULL)
        stack.callback(window.close)
        window.open()
        made = Desk(pcscd, window)
        stack.callback(made.clear)
        yield made


def test_every_card_in_a_real_service(desk: Desk) -> None:
    assert desk.put("social-security seed=7") == ["inserted:cpu", "read:social-security", "removed"]
    assert desk.put("social-security protocol=t0") == ["inserted:cpu", "read:social-security", "removed"]
    assert desk.put("social-security psam=read") == ["inserted:cpu", "rejected:needs-psam", "removed"]
    assert desk.put("storage") == ["inserted:storage", "read:storage", "removed"]
    assert desk.put("id-card") == ["inserted:id-card", "rejected:use-id-card-reader", "removed"]
    assert desk.put("mute") == ["inserted:unknown", "rejected:mute", "removed"]
    assert desk.put("slow delay=0.02") == ["inserted:cpu", "read:social-security", "removed"]


def test_the_reader_says_that_it_is_virtual(desk: Desk) -> None:
    info = desk.window.open()
    assert (info.model, info.simulated) == (READER, True)


@pytest.mark.parametrize("byte", [3, 70, 200])
def test_a_card_torn_out_in_the_middle(desk: Desk, byte: int) -> None:
    """With pcscd's own idea of when a card has gone."""
    desk.slot.do(f"insert social-security seed=7 tear={byte}")
    assert told(desk.window.polled(3)) == ["inserted:cpu", "rejected:removed-too-early", "removed"]
    desk.clear()
    desk.slot.do("insert social-security seed=8")
    inserted, read = desk.window.polled(2)
    assert isinstance(read, CardRead)
    assert told([inserted, read]) == ["inserted:cpu", "read:social-security"]


def test_transmit_through_a_real_service(desk: Desk) -> None:
    desk.slot.do("insert cpu seed=1")
    desk.window.polled(2)
    (event,) = desk.window.executed(Transmit(apdus=("0084000008",)))
    assert isinstance(event, Transmitted)
    assert event.answers == ("00000000000000029000",)


def test_cards_are_told_right_after_the_services_own_notice(
    desk: Desk, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    heard = tmp_path / "heard"
    events_at: list[float] = []
    with (
        heard.open("w") as out,
        subprocess.Popen([sys.executable, "-c", WATCHER, READER + " 00 00"], stdout=out) as watcher,
    ):
        wait_until(heard.read_text, what="the watcher watches")
        for _ in range(4):
            for line, count in (("insert storage", 2), ("remove", 1)):
                desk.slot.do(line)
                desk.window.at.clear()
                assert len(desk.window.polled(count)) == count
                events_at.append(desk.window.at[0])
        wait_until(lambda: len(noticed(heard)) == len(events_at), what="the watcher has heard it all")
        watcher.kill()
    late = sorted(at - notice for at, notice in zip(events_at, noticed(heard), strict=True))
    record_property("after the service's notice, median and worst, ms", [f"{1e3 * x:.1f}" for x in (late[4], late[-1])])
    assert late[len(late) // 2] < NOTICE_S
    assert late[-2] < NOTICE_S  # a busy machine may have slept once


def noticed(heard: Path) -> list[float]:
    """Return when each card came or went, after how it was at first."""
    first: dict[str, float] = {}
    for line in heard.read_text(encoding="ascii").splitlines():
        at, count = line.split()
        first.setdefault(count, float(at))
    return list(first.values())[1:]


def test_a_service_that_restarts_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a service of its own, ended in order and as by a crash; its socket stays, as with systemd."""
    monkeypatch.setattr("drivers.card_pcsc.RETURN_S", START_S)  # a busy machine
    with RealPcscd() as pcscd, leading_to(pcscd.socket_path) as address:
        window = Window(f"{address}&slot=0")
        window.open()
        slot = VirtualSlot(pcscd.port)
        for end in (pcscd.stop, pcscd.kill):
            slot.do("insert storage")
            assert told(window.polled(2)) == ["inserted:storage", "read:storage"]
            end()
            slot.remove()
            with Later(pcscd.start) as started:
                assert told(window.polled(1, START_S)) == ["removed"]
                list(window.driver.poll(0))
                assert time.monotonic() - started.at < BACK_S
        slot.do("insert id-card")
        assert told(window.polled(2)) == ["inserted:id-card", "rejected:use-id-card-reader"]
        slot.remove()
        window.close()
