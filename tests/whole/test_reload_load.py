"""Reload after reload while codes are scanned: each is told once and in order, and nothing piles up."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path

import pytest

from tests.faults.host.rig import GUN
from tests.support.office import Office
from tests.support.tiers import tiers
from tests.support.wait import wait_until
from tests.support.window import HALL, WindowUnderTest
from tests.whole.reloads import change, reload, remove

RATE = 100
CODES = 10  # between one reload and the next
SETTLE = 8  # so many reloads load what is loaded once
SLACK = 2  # a look at what is plugged in, a name being resolved


def size(pid: int) -> tuple[int, int, int]:
    """Return how many handles, threads and children the process *pid* has."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    children = sum(len((task / "children").read_text(encoding="ascii").split()) for task in tasks)
    return len(os.listdir(f"/proc/{pid}/fd")), len(tasks), children  # noqa: PTH208


def another(window: WindowUnderTest, number: int) -> None:
    """Change one thing or another: a device that is there, one that comes and goes, a table, a subscriber."""
    if number % 4 == 0:
        modes = ('mode = "live"', 'mode = "maintenance"')
        change(window, "pad-1", *(modes if number % 8 == 0 else modes[::-1]))
    elif number % 4 == 1:
        window.foreign("gun-2", "code_serial", window.bench.address("gun-2"), GUN[1])
    elif number % 4 == 2:
        window.extra = f"[retention]\npublic_days = {3 + number % 20}\n{_office()}"
    else:
        remove(window, "gun-2")


def _office() -> str:
    return '[[subscriber]]\nname = "office"\n'


@pytest.mark.parametrize("count", tiers(short=24, long=200, timeout_s=600))
def test_every_event_arrives_once_and_in_order(window: WindowUnderTest, count: int) -> None:
    window.device("gun-1", *GUN)
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"\nmode = "live"', profile="aa55_xor")
    window.bench.add("gun-2", "code_serial")
    window.extra = _office()
    window.start()
    assert window.process is not None
    codes, before = CODES * count, (0, 0, 0)
    with Office(window.url, "office", HALL) as office:
        scans = threading.Thread(target=lambda: window.bench.do(f"gun-1 flood {codes} rate={RATE}", limit_s=None))
        scans.start()
        try:
            for number in range(count):
                another(window, number)
                assert reload(window)["kept"][0] == "gun-1"
                if number == SETTLE:
                    wait_until(lambda: set(window.states().values()) == {"ready"})
                    before = size(window.process.pid)
                wait_until(functools.partial(_came, office, number * CODES), 30)
            wait_until(lambda: _no_larger(window, before), what=f"no more than {before}")
        finally:
            scans.join()
        office.wait_seq(codes)
        assert office.seqs == list(range(1, codes + 1))
    assert window.bench.counters("gun-1")["lost_bytes"] == 0


def _came(office: Office, count: int) -> bool:
    return len(office.events) >= count


def _no_larger(window: WindowUnderTest, before: tuple[int, int, int]) -> bool:
    assert window.process is not None
    now = size(window.process.pid)
    return all(new <= old + SLACK for new, old in zip(now, before, strict=True))
