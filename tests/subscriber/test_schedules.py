"""The sequence core against truth: whatever is lost, doubled, mixed or replayed on the way.

``HALL_EDGE_SCHEDULES`` sets how many schedules each test runs; before a release, a million.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.subscriber.model import Limits
from edge.subscriber.sequence import Mark
from tests.subscriber.worlds import World

SCHEDULES = int(os.environ.get("HALL_EDGE_SCHEDULES", "150"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(max(120, SCHEDULES))]


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), joins=st.booleans(), loss=st.sampled_from([0.0, 0.1, 0.5, 0.95]))
def test_what_is_delivered_is_the_truth_in_order_each_once(seed: int, joins: bool, loss: float) -> None:
    world = World(random.Random(seed), joins=joins, loss=loss)
    world.run()
    assert [item.seq for item in world.delivered] == list(range(1, world.count + 1))
    for item in world.delivered:
        assert not item.late
        assert item.unreadable is None or (item.unreadable == "SUB-112" and world.is_gone(item.seq))
        full = joins and world.is_sealed(item.seq)
        assert item.tombstone or item.unreadable or (item.sealed is not None) == full
    assert world.sequence.gaps == ()
    assert world.sequence.mark == Mark(1, world.count)
    assert world.open_gaps == set()


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), joins=st.booleans(), buffered=st.integers(1, 8))
def test_with_tight_limits_every_event_still_comes_once_and_lost_ones_are_named(
    seed: int, joins: bool, buffered: int
) -> None:
    limits = Limits(ask_after_s=1, tail_grace_s=2, gap_limit_s=4, max_buffered=buffered, ask_chunk=3)
    world = World(random.Random(seed), joins=joins, loss=0.4, limits=limits)
    world.run()
    assert sorted(item.seq for item in world.delivered) == list(range(1, world.count + 1))
    in_order = [item.seq for item in world.delivered if not item.late]
    assert in_order == sorted(in_order)
    late = {item.seq for item in world.delivered if item.late}
    assert late <= world.named_lost
    assert world.sequence.mark == Mark(1, world.count)


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), joins=st.booleans())
def test_a_subscriber_that_crashes_and_goes_on_processes_every_event(seed: int, joins: bool) -> None:
    world = World(random.Random(seed), joins=joins, loss=0.3, crashes=0.02)
    world.run()
    assert sorted(set(world.processed)) == list(range(1, world.count + 1))
    assert world.sequence.mark == Mark(1, world.count)
