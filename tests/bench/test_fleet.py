"""A fleet in miniature: 20 windows and a real daemon through a bridged pair, and back after the broker's death."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.fleet import run


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_twenty_windows_lose_nothing_and_come_back(short_path: Path) -> None:
    said: list[str] = []
    (result,) = run.run(short_path, [20], ["bridged"], 1.0, said.append, daemons=1, rates=[2.0], away_s=0.3)
    (step,) = result.steps
    assert step.events > 20
    assert 0 < step.p50_ms <= step.p99_ms
    assert all(step.brokers_mib)
    assert result.came_back is not None
    assert 0 < result.came_back.half_s <= result.came_back.last_s
    assert "after a restart of the broker" in run.as_text([result])
    assert json.loads(run.as_json([result]))[0]["windows"] == 20
