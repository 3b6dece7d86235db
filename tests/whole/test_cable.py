"""A cable pulled at every byte of a card read: nothing half is published, everything else goes on."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

READERS = 8
CITIZENS = 20
ANSWERS = {"20": 15, "30": 1295}  # find and read, with the length of their answers (SDT)
BACK_P99_S, BACK_MAX_S = 2.0, 5.0


def pull_and_replug(window: WindowUnderTest, reader: str, answer: str, byte: int) -> float:
    """Pull the cable of *reader* after *byte* bytes of an answer; return how long until it was ready again."""
    window.bench.do(f"{reader} unplug-after {byte} answer={answer}")
    window.do(f"{reader} insert resident seed={byte % CITIZENS}")
    window.wait_state(reader, "absent")
    window.bench.do(f"{reader} remove")
    heard = len(window.tap.messages)
    plugged = time.monotonic()
    window.bench.do(f"{reader} plug")
    wait_until(lambda: ready_since(window, reader, heard), 10, f"{reader} is ready again (byte {byte})")
    took_s = time.monotonic() - plugged
    said = [(one["state"], one.get("code")) for one in states_since(window, reader, heard)]
    assert took_s <= BACK_MAX_S, f"{reader} after byte {byte} of {answer}: ready again after {took_s:.2f} s, by {said}"
    return took_s


def ready_since(window: WindowUnderTest, reader: str, heard: int) -> bool:
    return any(status["state"] == "ready" for status in states_since(window, reader, heard))


def states_since(window: WindowUnderTest, reader: str, heard: int) -> list[dict[str, Any]]:
    topic = f"device/{reader}/status"
    return [json.loads(payload) for at, payload, _ in window.tap.messages[heard:] if at.endswith(topic)]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_cable_pulled_at_every_byte_of_a_read(
    window: WindowUnderTest, record_property: Callable[[str, object], None]
) -> None:
    window.program = [sys.executable, "-m", "tests.whole.patient"]
    readers = [f"id-{n}" for n in range(READERS)]
    for reader in readers:
        window.device(reader, "idcard_sdt", 'read = "full"\npurpose = "test"')
    window.device("gun-1", "code_serial", 'content = "public"')
    window.start()
    pid = window.status()["process"]["pid"]
    scans = threading.Thread(target=lambda: window.bench.do("gun-1 flood 2000 rate=50", limit_s=None))
    scans.start()

    work = [(answer, byte) for answer, length in ANSWERS.items() for byte in range(length)]
    with ThreadPoolExecutor(READERS) as pool:
        shares = [work[n::READERS] for n in range(READERS)]
        played = [
            pool.submit(lambda reader, share: [pull_and_replug(window, reader, *cut) for cut in share], reader, share)
            for reader, share in zip(readers, shares, strict=True)
        ]
        back = sorted(seconds for share in played for seconds in share.result())
    scans.join()

    assert not window.tap.events("read")
    window.tap.wait_events("scanned", 2000)
    assert {status["state"] for status in window.tap.on("device/gun-1/status")} <= {"starting", "ready"}
    assert window.status()["process"]["pid"] == pid
    figures = f"{len(back)} pulls: ready again after p50 {back[len(back) // 2]:.2f} s, max {back[-1]:.2f} s"
    record_property("figures", figures)
    assert back[int(len(back) * 0.99)] <= BACK_P99_S, figures
    window.do("id-0 insert resident seed=1")
    window.tap.wait_events("read")
