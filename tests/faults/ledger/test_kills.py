"""G1: what was accepted arrives once, in order and opened, whenever the daemon's process is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.ledger.rig import office, source, wrong
from tests.support.broker import Broker
from tests.support.tiers import evidence, tiers

PARTS = 4
CYCLE_S = 1.0
"""A kill takes 0.06 s on an idle machine."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("trials", tiers(short=1_000, long=10_000, timeout_s=7200, short_timeout_s=600))
def test_kill_9_at_any_moment_loses_nothing(shared_broker: Broker, tmp_path: Path, trials: int, part: int) -> None:
    hall, kills = f"kills-{trials}-{part}", trials // PARTS
    with source(tmp_path, shared_broker.port, hall, kills=kills, seed=part) as own:
        with office(tmp_path, shared_broker.port, hall) as back_office:
            own.wait_runs(kills * CYCLE_S)
            head = own.finish()
            back_office.wait_seq(head)
            events = list(back_office.events)
        problems = wrong(own, events, head)
    assert problems == []
    assert own.kills == kills
    assert len(own.accepted) > kills  # it was under load
    name = f"kill-9-of-the-core-part-{part + 1}-of-{PARTS}"
    evidence(name, trials=kills, failures=len(problems), events=head, promised=len(own.accepted))
