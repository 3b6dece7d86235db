"""The daemon as systemd sees it: what it is told, in which order, and when it hears nothing any more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.faults.host.rig import GUN, start
from tests.support.systemd import NotifySocket
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

WATCHDOG_S = 20.0
FED_S = WATCHDOG_S / 2 + 1.0


@pytest.fixture
def systemd(window: WindowUnderTest) -> Iterator[NotifySocket]:
    with NotifySocket(f"{window.folder}/notify") as listening:
        yield listening


def pad(window: WindowUnderTest, name: str = "pad-1") -> None:
    window.device(name, "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")


def test_it_is_ready_when_everything_has_begun_and_says_how_it_is(
    window: WindowUnderTest, systemd: NotifySocket
) -> None:
    """N1: without a broker, too."""
    window.broker.kill()
    pad(window)
    window.device("gun-1", *GUN)
    start(window, systemd.environment(WATCHDOG_S), ready=False)
    systemd.wait("READY")
    assert set(window.states()) == {"pad-1", "gun-1"}  # it answers, and has a store
    assert systemd.words[0] == "READY"
    window.wait_ready()
    wait_until(lambda: systemd.having("STATUS", "2 of 2 devices ready, broker down, 0 events wait; see to MQT-101"))
    window.do("gun-1 unplug")
    wait_until(lambda: any("1 of 2 devices" in one.lines["STATUS"] for one in systemd.having("STATUS")))
    systemd.wait("WATCHDOG", count=3)
    assert window.stop() == 0
    assert systemd.having("STOPPING")
    assert systemd.words[-1] == "STOPPING"
    fed = [one.at for one in systemd.having("WATCHDOG")]
    assert max(after - before for before, after in itertools.pairwise(fed)) < FED_S


def test_without_a_store_it_is_ready_all_the_same_and_says_why(window: WindowUnderTest, systemd: NotifySocket) -> None:
    pad(window)
    window.write_config()
    store = window.folder / "state" / "outbox.db"
    store.mkdir()
    start(window, systemd.environment(WATCHDOG_S), ready=False)
    assert systemd.wait("READY").lines["STATUS"] == "no store, nothing is accepted: STO-101"
    systemd.wait("WATCHDOG", count=2)
    store.rmdir()
    systemd.wait("READY", count=2)
    wait_until(lambda: any("1 of 1 devices ready" in one.lines["STATUS"] for one in systemd.having("STATUS")))
    assert window.stop() == 0
