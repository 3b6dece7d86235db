"""How soon the window is back once the broker is (G8), with the real back-off."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from edge.delivery import connection
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import sending
from tests.support.tiers import evidence, tiers
from tests.support.wait import wait_until

BACK_S = 5.0


@pytest.mark.parametrize("trials", tiers(short=100, long=200, timeout_s=3600))
def test_the_window_is_back_within_5_s_of_the_broker(
    tmp_path: Path, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8: outages of random length, most of them so long that the back-off has grown to its end.

    In the short tier every wait is a tenth of the real one, and is multiplied by ten: what is measured is the
    back-off's shape on the real machine. The long tier waits for the real ones.
    """
    scale = 10 if trials == 100 else 1
    longest = connection._BACKOFF_S  # noqa: SLF001
    monkeypatch.setattr(connection, "_BACKOFF_S", tuple(part / scale for part in longest))
    monkeypatch.setattr(connection, "_STEADY_S", 0.0)
    moments = random.Random(8)
    took: list[float] = []
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        for trial in range(trials):
            broker.down()
            wait_until(lambda: sender.publisher.link == "down", 5)
            sender.publisher._delay_s = longest[1] / scale  # noqa: SLF001  # as after a long outage
            away_s = moments.uniform(0.0, 0.5) * longest[1] / scale
            end = time.monotonic() + away_s
            sender.commit(str(trial))
            wait_until(lambda: time.monotonic() >= end, 10)  # noqa: B023  # used at once
            broker.up()
            back = time.monotonic()
            wait_until(lambda: sender.publisher.link == "up", 20, "it is back")
            took.append((time.monotonic() - back) * scale)
        sender.wait_brokered(trials)
    took.sort()
    p99 = took[int(len(took) * 0.99) - 1]
    evidence("g8-reconnect", trials=trials, failures=0, p50_s=round(took[len(took) // 2], 2), p99_s=round(p99, 2))
    assert p99 <= BACK_S, f"p99 {p99:.2f} s of {took[-3:]}"
