"""The clocks of PC and broker may differ by years (N14): no decision of delivery depends on the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import sending
from tests.faults.network.net_rig import BASE, arrived, assert_all_in_order, commit, quick
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import Wiretap

YEARS_S = 10 * 365 * 86_400.0


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the wall clock of the window."""
    quick(monkeypatch)
    true, offset = time.time, 0.0

    def to(by_s: float) -> None:
        nonlocal offset
        offset = by_s

    monkeypatch.setattr(time, "time", lambda: true() + offset)
    return to


@pytest.mark.parametrize("by_s", [-YEARS_S, YEARS_S], ids=["ten years back", "ten years ahead"])
def test_a_clock_that_is_years_off_changes_nothing(
    tmp_path: Path, broker: Broker, by_s: float, jump: Callable[[float], None]
) -> None:
    """N14: against mosquitto, whose clock is right; the clock jumps in the middle, and back."""
    tap = Wiretap(broker.port)
    with sending(tmp_path, broker.port) as sender:
        commit(sender, 50)
        jump(by_s)
        commit(sender, 50, 51)
        sender.wait_brokered(100)
        broker.kill()
        commit(sender, 50, 101)
        broker.start()
        sender.wait_brokered(150)
        jump(0)
        commit(sender, 50, 151)
        sender.wait_brokered(200)
        assert sender.outbox.refused == 0
    tap.close()


@pytest.mark.slow
def test_deadlines_of_the_link_do_not_follow_the_wall_clock(tmp_path: Path, jump: Callable[[float], None]) -> None:
    """N14: neither is a silence noticed late, nor is a good connection given up."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        commit(sender, 20)
        sender.wait_brokered(20)
        for by_s in (YEARS_S, -YEARS_S, 0.0):
            jump(by_s)
            connects = sender.publisher.connects
            commit(sender, 20, sender.outbox.head + 1)
            sender.wait_brokered(sender.outbox.head)
            assert sender.publisher.connects == connects
            broker.fault("silent", topic=f"{BASE}/event/#")
            sender.commit(str(sender.outbox.head + 1))
            wait_until(lambda: sender.publisher.connects > connects, 5)  # noqa: B023  # used at once
            broker.clear()
            sender.wait_brokered(sender.outbox.head)
        assert_all_in_order(arrived(broker), sender.outbox.head)
