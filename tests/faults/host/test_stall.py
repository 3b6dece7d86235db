"""A daemon that hangs ends within its time, tells where without telling what, and comes back with everything."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from edge.watchdog import LIMIT_S
from tests.faults.host.rig import GUN, start
from tests.support.systemd import NotifySocket
from tests.support.tiers import evidence
from tests.support.truth import Told, expect
from tests.support.window import WindowUnderTest

STALLING = [sys.executable, "-m", "tests.faults.host.stalling"]
SHORT_S = 3.0
NOTHING: Mapping[str, str] = MappingProxyType({})
LOOKS_S = 4.0  # the watchdog looks every two seconds, and this PC may be busy

pytestmark = pytest.mark.slow


def stall(
    window: WindowUnderTest, what: str, secret: str, patience_s: float | None, environment: Mapping[str, str] = NOTHING
) -> float:
    """Make a part of the daemon hang; return after how long the process ended by itself."""
    window.program = STALLING
    window.device("gun-1", *GUN)
    patience = {} if patience_s is None else {"STALL_S": str(patience_s)}
    start(window, {"STALL": what, "STALL_SECRET": secret, **patience, **environment})
    window.bench.do("gun-1 scan A1")
    window.tap.wait_events("scanned")
    assert window.process is not None
    window.process.send_signal(signal.SIGUSR1)
    began = time.monotonic()
    assert window.process.wait(60) == 1
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("loop", "on_signal"),
        ("interpreter", "on_signal"),
        ("mqtt", "hanging_pass"),
        ("store", "_transact"),
        ("lane", "watchdog.py"),
    ],
)
def test_whatever_hangs_the_daemon_ends_and_comes_back(window: WindowUnderTest, what: str, where: str) -> None:
    secret = secrets.token_hex(12)
    took_s = stall(window, what, secret, SHORT_S)
    assert took_s <= SHORT_S + LOOKS_S
    stacks = (window.folder / "state" / "stalled.txt").read_text(encoding="utf-8")
    assert where in stacks
    assert secret not in stacks + window.log_text
    window.bench.do("gun-1 scan A2")  # to nobody
    start(window, {"STALL": what})
    expect(window, Told({"gun-1": ["ready"]}, ["SYS-151"]))
    assert (window.folder / "state" / "stalled.last").read_text(encoding="utf-8") == stacks
    window.bench.do("gun-1 scan A3")
    window.tap.wait_events("scanned", 2)
    assert window.stop() == 0
    start(window, {"STALL": what})
    assert "SYS-151" not in {problem["code"] for problem in window.status()["health"]["problems"]}


@pytest.mark.timeout(120)
def test_a_stalled_loop_is_over_within_15_s(window: WindowUnderTest) -> None:
    """systemd is fed no more from then on, and READY again within 20 s; here the test starts it again."""
    with NotifySocket(f"{window.folder}/notify") as systemd:
        took_s = stall(window, "loop", "x", None, systemd.environment(watchdog_s=20))
        ended = time.monotonic()
        fed = [one.at for one in systemd.having("WATCHDOG")]
        assert fed[-1] <= ended - took_s + 0.5
        start(window, {"STALL": "loop", **systemd.environment(watchdog_s=20)}, ready=False)
        back_s = systemd.wait("READY", count=2).at - (ended - took_s)
        window.wait_ready()
    evidence("stall", trials=1, failures=int(took_s > LIMIT_S + 1), ended_s=round(took_s, 1), ready_s=round(back_s, 1))
    assert took_s <= LIMIT_S + 1.0
    assert back_s <= 20.0
