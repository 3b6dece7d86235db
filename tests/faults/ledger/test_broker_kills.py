"""G3, N6, N7: a broker that forgets what it has acknowledged, or drops what is too much, loses nothing end to end."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.subscriber import link
from tests.faults.ledger.rig import Source, office, source, wrong
from tests.faults.ledger.shipped_broker import ShippedBroker
from tests.support.office import Office
from tests.support.tiers import evidence, tiers
from tests.support.wait import wait_until

PARTS = 4
RATE = 40.0
"""Events a second: 5,000 times what a window produces."""
RECOVERED_S = 30.0
"""G3: so long after the broker is back everything accepted until then has been delivered."""
AWAY = 10_000
OVERFLOW = 2_000
"""mosquitto keeps 1,000 for who is away."""


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[ShippedBroker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with ShippedBroker(folder) as own:
        yield own


@pytest.fixture
def longest_pause_s(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> float:
    """In the short tier both sides come back soon: pauses grow while a broker flaps. 0: as shipped."""
    if request.node.get_closest_marker("long") is not None:
        return 0.0
    monkeypatch.setattr(link, "LONGEST_PAUSE_S", 0.4)
    monkeypatch.setattr(link, "FIRST_PAUSE_S", 0.1)
    return 0.4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("trials", tiers(short=100, long=1_000, timeout_s=14_400, short_timeout_s=400))
def test_kill_9_of_the_broker_under_load_loses_nothing(
    shipped: ShippedBroker, tmp_path: Path, longest_pause_s: float, trials: int, part: int
) -> None:
    hall, kills, rng = f"broker-{part}", trials // PARTS, random.Random(part)
    took: list[float] = []
    more = {"rate": RATE, "longest_pause_s": longest_pause_s}
    with source(tmp_path, shipped.port, hall, **more) as own, office(tmp_path, shipped.port, hall) as back_office:
        own.wait_runs(20)
        for _ in range(kills):
            threading.Event().wait(rng.uniform(0.0, 0.5))
            shipped.kill()
            threading.Event().wait(rng.uniform(0.0, 0.2))
            shipped.start()
            took.append(recovered_s(own, back_office))
        head = own.finish()
        back_office.wait_seq(head, RECOVERED_S)
        problems = wrong(own, list(back_office.events), head)
    slowest = statistics.quantiles(took, n=100)[98]
    assert problems == []
    assert max(took) <= RECOVERED_S
    name = f"kill-9-of-the-broker-part-{part + 1}-of-{PARTS}"
    figures = {"recovered_s_p50": statistics.median(took), "recovered_s_p99": slowest, "recovered_s_max": max(took)}
    evidence(name, trials=kills, failures=len(problems), events=head, **figures)


def recovered_s(own: Source, back_office: Office) -> float:
    """Return how long it takes until everything that is accepted now has been delivered."""
    began, upto = time.monotonic(), max(own.accepted, default=0)
    wait_until(lambda: not upto or (back_office.events and back_office.events[-1].seq >= upto), 2 * RECOVERED_S)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("count", "killed"), [(OVERFLOW, False), (AWAY, True)], ids=["queue-overflows", "forgotten"])
def test_what_was_accepted_while_the_back_office_was_away_arrives(
    shipped: ShippedBroker, tmp_path: Path, count: int, killed: bool
) -> None:
    with source(tmp_path, shipped.port, "away") as own:
        with office(tmp_path, shipped.port, "away") as first:
            own.wait_runs(20)
            own.accept(50, 20)
            first.wait_seq(50)
        seen = list(first.events)
        own.accept(count, 90)
        if killed:
            shipped.kill()
            shipped.start()
        began = time.monotonic()
        with office(tmp_path, shipped.port, "away") as again:
            head = own.finish()
            again.wait_seq(head, 90)
            took_s = time.monotonic() - began
            events = [*seen, *again.events]
        assert wrong(own, events, head) == []
    evidence(f"back-office-away-{'killed' if killed else 'overflow'}", trials=count, failures=0, caught_up_s=took_s)
