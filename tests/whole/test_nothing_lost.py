"""What was accepted arrives: over kill -9 of the daemon at random moments, and over a broker that dies."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from simulators.words import ScenarioError
from tests.support.office import Office
from tests.support.tiers import tiers
from tests.support.wait import wait_until
from tests.support.window import HALL, WindowUnderTest

"""The whole program with its devices; ``tests/faults/ledger`` kills its core a thousand times."""
SUBSCRIBER = '[[subscriber]]\nname = "case-system"\n'


@contextmanager
def load(window: WindowUnderTest, rate: int) -> Iterator[None]:
    """Let the gun scan *rate* codes a second while the block runs."""

    def scan() -> None:
        with suppress(ScenarioError):  # the cable is pulled: the load ends here
            window.bench.do(f"gun-1 flood 1000000 rate={rate}", limit_s=None)

    thread = threading.Thread(target=scan, name="load")
    thread.start()
    try:
        yield
    finally:
        window.bench.do("gun-1 unplug")
        thread.join(10)


def head(window: WindowUnderTest) -> int:
    """Return the last seq the daemon has accepted, by its own word."""
    status = wait_until(window.status, what="the daemon answers")
    return int(status["health"]["head_seq"])


def wait_spoken(window: WindowUnderTest, before: int) -> None:
    """Wait until there is more on the broker than *before*."""
    wait_until(lambda: len(window.tap.messages) > before, what="the daemon speaks")


def check_complete(window: WindowUnderTest, office: Office) -> None:
    """Every seq once, in order, none missing; a repeated seq on the wire always with the same id."""
    last = head(window)
    office.wait_seq(last)
    assert office.seqs == list(range(1, last + 1))
    ids: dict[str, set[str]] = {}
    for event in window.tap.events():
        ids.setdefault(event["seq"], set()).add(event["id"])
    assert not {seq: found for seq, found in ids.items() if len(found) > 1}


@pytest.mark.slow
@pytest.mark.parametrize("kills", tiers(short=200, long=1000, timeout_s=3600, short_timeout_s=600))
def test_kill_at_random_moments_loses_nothing(window: WindowUnderTest, kills: int) -> None:
    moments = random.Random(20261122)
    window.device("gun-1", "code_serial", 'content = "public"')
    window.extra = SUBSCRIBER
    with Office(window.url, "case-system", HALL) as office, load(window, 100):
        for _ in range(kills):
            before = len(window.tap.messages)
            window.start(ready=False)
            if moments.random() < 0.75:  # the others are killed while they start
                wait_spoken(window, before)
            threading.Event().wait(moments.uniform(0.0, 0.25))
            window.kill()
        window.start()
        accepted = head(window)
        window.tap.wait_events("scanned", accepted)
        window.bench.do("gun-1 mute")
        wait_until(lambda: window.status()["health"]["ladder"]["confirmed"] == str(head(window)), 30)
        check_complete(window, office)
        assert len(office.events) > kills  # it was under load


def test_a_broker_away_for_ten_seconds_loses_nothing(window: WindowUnderTest) -> None:
    window.device("gun-1", "code_serial", 'content = "public"')
    window.extra = SUBSCRIBER
    window.start()
    with Office(window.url, "case-system", HALL) as office, load(window, 50):
        window.tap.wait_events("scanned", 25)
        window.broker.kill()
        accepted = head(window)
        wait_until(lambda: head(window) >= accepted + 500, 20, "ten seconds of scans without a broker")
        window.broker.start()
        wait_until(lambda: int(window.status()["health"]["ladder"]["confirmed"]) > accepted + 500, 30)
        window.bench.do("gun-1 mute")
        check_complete(window, office)
