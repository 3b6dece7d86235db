"""Whatever happens to one device, the others lose nothing, and the daemon is the same process with as much in hand."""

from __future__ import annotations

import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.tiers import evidence
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest
from tests.whole.isolated import BACK_S, VICTIMS, Victim, figures, state
from tests.whole.witness import Witness

TIMES = 10
REST_S = 2.5
LONG_TIMES = 200


def attack(window: WindowUnderTest, victim: Victim, times: int) -> None:
    """Do everything to *victim*, so many times, and each time wait until it is back."""
    for _ in range(times):
        for fault, deed in victim.faults.items():
            deed(window)
            wait_until(lambda: state(window, victim.name) == "ready", BACK_S, f"{victim.name} is back, {fault} before")


def run(window: WindowUnderTest, victims: Sequence[Victim], times: int) -> list[float]:
    """Attack all *victims* at the same time; return the witness's latencies in ms, after all checks."""
    with Witness(window.folder / "witness", window.broker.port) as witness:
        window.program = [sys.executable, "-m", "tests.whole.patient"]
        window.foreign("witness", "code_serial", witness.address, 'content = "public"')
        for victim in victims:
            window.device(victim.name, victim.driver, victim.lines, model=victim.model, **victim.options)
        window.start()
        assert window.process is not None
        for victim in victims:  # once before counting: libraries, pools and sockets are there then
            attack(window, victim, 1)
        pid, before = window.process.pid, at_rest(window.process.pid)
        witness.begin()
        hurt(window, victims, times)
        latencies = witness.end()
        assert (window.process.pid, window.process.poll()) == (pid, None)
        settled(pid, before)
        assert "Traceback" not in window.log_text
        window.stop()
    return latencies


def at_rest(pid: int) -> tuple[int, int, int]:
    """Return what a process has when that has not changed for a while: a device may be just opened anew."""
    seen, since = figures(pid), time.monotonic()

    def rests() -> bool:
        nonlocal seen, since
        if (now := figures(pid)) != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > REST_S

    wait_until(rests, BACK_S, "the process comes to rest")
    return seen


def settled(pid: int, before: tuple[int, int, int]) -> None:
    """See that a process has as many descriptors, threads and children as *before*."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: figures(pid) == before, BACK_S)
    assert figures(pid) == before, f"descriptors, threads, children were {before} and are {figures(pid)}"


def hurt(window: WindowUnderTest, victims: Sequence[Victim], times: int) -> None:
    """Attack all *victims* at the same time."""
    failed: list[BaseException] = []

    def one(victim: Victim) -> None:
        try:
            attack(window, victim, times)
        except BaseException as error:  # noqa: BLE001  # raised again in the test's thread
            failed.append(error)

    threads = [threading.Thread(target=one, args=(victim,)) for victim in victims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def percentile(latencies: Sequence[float], percent: int) -> float:
    return statistics.quantiles(latencies, n=100)[percent - 1]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_happens_to_one_device_does_not_happen_to_the_others(window: WindowUnderTest) -> None:
    run(window, VICTIMS, TIMES)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("victim", "fault"), [(victim, fault) for victim in VICTIMS for fault in victim.faults], ids=str
)
def test_a_device_in_trouble_two_hundred_times(window: WindowUnderTest, victim: Victim, fault: str) -> None:
    """One device and one trouble at a time, so that the figure is of isolation and not of a busy machine."""
    latencies = run(window, [replace(victim, faults={fault: victim.faults[fault]})], LONG_TIMES)
    p50_ms, p99_ms = percentile(latencies, 50), percentile(latencies, 99)
    print(f"{victim.name} {fault} {LONG_TIMES} times, {len(latencies)} codes beside it: {p50_ms=:.1f}, {p99_ms=:.1f}")  # noqa: T201
    name = f"isolation-{victim.name}-{fault}".replace(" ", "-")
    evidence(
        name, trials=LONG_TIMES, failures=0, codes=len(latencies), p50_ms=round(p50_ms, 1), p99_ms=round(p99_ms, 1)
    )
    assert p99_ms - p50_ms <= 50
