"""The whole daemon behind a bad network, and with a bad broker: the back office has everything, once, in order."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.subscriber import link
from simulators.mqtt_broker import MqttBroker
from tests.faults.network.net_rig import CLIENT_ID
from tests.support.broker import Broker
from tests.support.office import Office
from tests.support.proxy import Proxy
from tests.support.tiers import evidence, tiers
from tests.support.wait import wait_until
from tests.support.window import BASE, HALL, WindowUnderTest
from tests.whole.test_nothing_lost import SUBSCRIBER, check_complete, head, load

CODES = f"{BASE}/event/code-scanner/#"
HASTY = [sys.executable, "-m", "tests.faults.network.hasty"]


class DistantWindow(WindowUnderTest):
    """A window whose way to the broker is a proxy; its taps and back offices are beside the broker."""

    def __init__(self, folder: Path, broker: Broker, proxy: Proxy) -> None:
        super().__init__(folder, broker)
        self.proxy = proxy
        self.program = HASTY
        self.extra = SUBSCRIBER

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.proxy.port}"

    @property
    def link(self) -> str:
        status = self.status()
        return str(status["health"]["link"]["state"]) if status else "unknown"


@pytest.fixture
def distant(short_path: Path, broker: Broker) -> Iterator[DistantWindow]:
    with Proxy(broker.port) as proxy:
        window = DistantWindow(short_path, broker, proxy)
        try:
            yield window
        finally:
            proxy.allow()
            window.close()


def faults(proxy: Proxy, broker: Broker) -> dict[str, Callable[[], object]]:
    """Return what can happen to a network, and to the broker behind it."""

    def slow() -> None:
        proxy.delay_s, proxy.bytes_per_s = 0.1, 40_000

    def hole() -> None:
        proxy.black_hole = True

    return {
        "cut": proxy.cut, "reset": proxy.reset, "gone without a word": proxy.vanish, "refused": proxy.refuse,
        "slow": slow, "black hole": hole, "broker killed": broker.kill, "broker frozen": broker.freeze,
    }  # fmt: skip


def mended(proxy: Proxy, broker: Broker) -> None:
    proxy.delay_s, proxy.bytes_per_s = 0.0, None
    proxy.allow()
    if broker.running:
        broker.thaw()
    else:
        broker.start()


@pytest.mark.parametrize("rounds", tiers(short=12, long=600, timeout_s=7200))
def test_a_bad_network_loses_nothing(
    distant: DistantWindow, broker: Broker, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N3 to N6, one after the other and at random moments, while a gun scans 40 codes a second."""
    monkeypatch.setattr(link, "FIRST_PAUSE_S", 0.1)  # as hasty as the window
    monkeypatch.setattr(link, "LONGEST_PAUSE_S", 0.4)
    moments = random.Random(13)
    distant.device("gun-1", "code_serial", 'content = "public"')
    distant.start()
    kinds = faults(distant.proxy, broker)
    with Office(f"mqtt://127.0.0.1:{broker.port}", "case-system", HALL) as office:
        with load(distant, 40):
            for number in range(rounds):
                name = list(kinds)[number % len(kinds)]
                kinds[name]()
                threading.Event().wait(moments.uniform(0.05, 1.5))
                mended(distant.proxy, broker)
                wait_until(lambda: distant.link == "up", 15, f"the link is back after: {name}")
            distant.bench.do("gun-1 mute")
        wait_until(lambda: distant.status()["health"]["ladder"]["confirmed"] == str(head(distant)), 120, "confirmed")
        last = head(distant)
        in_time = [event.seq for event in office.events if not event.late]  # late: others waited a minute for it
        assert in_time == sorted(in_time)
        assert sorted(office.seqs) == list(range(1, last + 1))
    health = distant.status()["health"]
    assert health["outbox"]["quarantined"] == 0
    assert health["outbox"]["depth"] == 0
    assert {problem["code"] for problem in health["problems"]} <= {"MQT-119", "SYS-145", "SYS-147"}
    evidence("n3-n6-network", trials=rounds, failures=0, events=last, late=last - len(in_time))


def freeze(broker: MqttBroker, for_s: float) -> None:
    broker.freeze()
    threading.Event().wait(for_s)
    broker.thaw()


@pytest.mark.slow
def test_a_bad_broker_loses_nothing(short_path: Path) -> None:
    """N6, N8, N9: a broker that forgets, refuses, hangs up, talks nonsense and is killed, one after the other."""
    with MqttBroker(keep=False) as broker:
        place = Broker(short_path)  # never started: the window takes its port and folder
        place.port = broker.port
        window = WindowUnderTest(short_path, place)
        window.program, window.extra = HASTY, SUBSCRIBER
        try:
            window.device("gun-1", "code_serial", 'content = "public"')
            window.start()
            steps: list[Callable[[], object]] = [
                lambda: broker.fault("forget", topic=CODES, times=20),
                lambda: broker.fault("refuse", reason=0x83, topic=CODES, times=2),
                lambda: broker.fault("drop", topic=CODES, times=3),
                lambda: broker.fault("cut", topic=CODES, times=2),
                lambda: broker.fault("twice", topic=CODES, times=20),
                lambda: broker.fault("silent", topic=CODES, times=3),
                lambda: broker.fault("disconnect", reason=0x8B, topic=CODES, times=1),
                lambda: broker.garbage(CLIENT_ID),
                broker.kill,
                lambda: broker.limit(receive_maximum=1),
                lambda: freeze(broker, 1.5),
                broker.clear,
            ]
            with Office(window.url, "case-system", HALL) as office:
                window.bench.do("gun-1 scan FIRST")
                office.wait_seq(1)  # without a position it begins with the first event that it sees
                with load(window, 40):
                    for step in steps:
                        wait_until(lambda: CLIENT_ID in broker.clients(), 15)
                        reached = head(window)
                        step()
                        wait_until(lambda: head(window) >= reached + 20, 10)  # noqa: B023  # used at once
                    window.bench.do("gun-1 mute")
                wait_until(lambda: window.status()["health"]["ladder"]["confirmed"] == str(head(window)), 40)
                check_complete(window, office)
            assert window.status()["health"]["outbox"]["quarantined"] == 0
            assert broker.count("forget") == 20
        finally:
            window.close()
