"""Pull two readers out and plug them in again, many times: back by the same name within two seconds, nothing lost."""

from __future__ import annotations

import pytest

from simulators.cards import make_card
from simulators.words import Words
from tests.support.office import Office
from tests.support.tiers import evidence
from tests.support.wait import wait_until
from tests.vm import timeline
from tests.vm.timeline import Moment, quantile
from tests.vm.window_pc import WindowPC

READY_S = 2.0
PACE_S = 15.5
"""Of the guest's time, from one pull to the next: five losses within a minute are a loose cable (DEV-109)."""
EVENT_S = 300.0
BACK = "the device is back"


@pytest.fixture
def pc(own_pc: WindowPC) -> WindowPC:
    """A window with two readers."""
    own_pc.set_up(("id-1", "card-1"))
    return own_pc


@pytest.mark.timeout(4 * 3600)
def test_readers_come_back_within_two_seconds(pc: WindowPC, pytestconfig: pytest.Config) -> None:
    count: int = pytestconfig.getoption("--replugs")
    timeline.watch(pc.guest)
    with pc.office() as office:
        for number in range(count):
            _replug(pc, office, number)
        _nothing_is_lost(office, count)
    found = list(timeline.moments(pc.journal("-u hall-edge.service -u lab-udev")))
    for name, key in (("id-1", "serial"), ("card-1", "ccid")):
        times = _times(found, name)
        assert len(times) == count, "\n".join(map(str, found))
        late = [seconds for seconds in times if seconds > READY_S]
        figures = {f"p{part}_s": round(quantile(times, part / 100), 3) for part in (50, 90, 99)}
        evidence(f"vm-replug-{key}", trials=count, failures=len(late), longest_s=round(max(times), 3), **figures)
        assert quantile(times, 0.99) <= READY_S, times
    assert not [moment for moment in found if "another device" in moment.what]


def _replug(pc: WindowPC, office: Office, number: int) -> None:
    pace = pc.guest.start(f"sleep {PACE_S}")
    pc.unplug_reader()
    pc.unplug_card_reader()
    pc.wait_state("id-1", "absent")
    pc.wait_state("card-1", "absent")
    pc.plug_reader()
    pc.wait_ready("id-1")
    pc.plug_card_reader()
    pc.wait_ready("card-1")
    pc.bench.do(f"id-1 insert resident seed={number}")
    pc.slot.insert(make_card("social-security", Words(["protocol=t0", f"seed={number}"]), number))
    both = ("id-1", "card-1")
    wait_until(lambda: all(_read(office, device) > number for device in both), EVENT_S, f"card {number} on both")
    pace.communicate()


def _read(office: Office, device: str) -> int:
    return sum((event.device, event.type) == (device, "read") for event in list(office.events))


def _nothing_is_lost(office: Office, count: int) -> None:
    assert not office.gaps
    assert office.seqs == list(range(office.seqs[0], office.seqs[0] + len(office.seqs)))
    assert {device: _read(office, device) for device in ("id-1", "card-1")} == {"id-1": count, "card-1": count}


def _times(found: list[Moment], name: str) -> list[float]:
    """Return how long each return took, from the kernel's `add` of the USB device."""
    lines = {
        moment.where.split("/usb1/")[1].split("/")[0]
        for moment in found
        if moment.what == "KERNEL add" and moment.subsystem == "tty"
    }
    times, added = [], 0.0
    for moment in found:
        if moment.what == "KERNEL add" and moment.subsystem == "usb":
            is_line = moment.where.rpartition("/")[2] in lines
            added = moment.at if is_line == (name == "id-1") else added
        elif BACK in moment.what and moment.where == name and added:
            times.append(moment.at - added)
            added = 0.0
    return times
