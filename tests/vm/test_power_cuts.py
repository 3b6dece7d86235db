"""Cut the power of a working window, many times: whatever it had accepted by then is delivered afterwards.

What was accepted is told by the daemon's control socket, and noted on this machine, before the power goes. In every
second round the broker is away meanwhile, so that all of it stands on the disk alone.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import threading
import time
from typing import Self

import pytest

from tests.support.office import Office
from tests.support.tiers import evidence
from tests.support.wait import wait_until
from tests.vm.devices import Simulators
from tests.vm.guest import Guest
from tests.vm.window_pc import ASK, READY_S, WindowPC

RATE = 5
"""Codes a second of the guest's time."""
LEAST = 30
"""So many more are accepted before each cut."""
DELIVERED_S = 600.0


class Accepted:
    """Follows the daemon's count of accepted events, from outside; a context manager."""

    def __init__(self, guest: Guest) -> None:
        self.seq = 0
        self._running: subprocess.Popen[str] = guest.start(f"exec {ASK} watch 2>/dev/null")
        self._thread = threading.Thread(target=self._read, name="accepted", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.kill()
        self._thread.join()
        self._running.communicate()

    def wait_above(self, seq: int) -> None:
        wait_until(lambda: self.seq > seq, READY_S, f"more than {seq} events are accepted")

    def _read(self) -> None:
        for line in self._running.stdout or ():
            if line.endswith("}\n"):
                self.seq = int(json.loads(line)["health"]["ladder"]["accepted"])


@pytest.mark.timeout(4 * 3600)
def test_nothing_accepted_is_lost_when_the_power_goes(own_pc: WindowPC, pytestconfig: pytest.Config) -> None:
    pc, cuts = own_pc, pytestconfig.getoption("--cuts")
    pc.set_up(("id-1", "gun-1"))
    pc.guest.run("sync")
    rng = random.Random(5)
    promised = replays = 0
    epochs = set()
    with pc.office() as office:
        for number in range(cuts):
            promised = _cut_under_load(pc, rng, promised, away=number % 2 == 1)
            pc.start()
            pc.plug_reader()
            replays += "recovery complete" in pc.guest.run("dmesg")
            _delivered(office, promised)
            epochs.add(pc.tap.on("status")[-1]["epoch"])
        pc.unplug_reader()
        missing = set(range(1, promised + 1)) - set(office.seqs)
        personal = sum(event.type == "read" for event in office.events)
    filled = sum(gap.state == "filled" for gap in office.gaps)
    figures = {"events": promised, "personal": personal, "journal_replays": replays, "gaps_filled": filled}
    evidence("vm-power-cuts", trials=cuts, failures=len(missing), **figures)
    assert not missing
    assert len(office.gaps) == 2 * filled, "a gap was named and not filled"
    assert personal >= cuts, "hardly anything personal was among them"
    assert len(epochs) == 1, "the store began a new life"
    assert replays == cuts, "the file system was not in use when the power went"


def _cut_under_load(pc: WindowPC, rng: random.Random, before: int, *, away: bool) -> int:
    """Let a gun read codes and people lay down cards, then cut the power; return the last seq told as accepted."""
    pc.guest.wait("systemctl is-active hall-edge.service", READY_S)
    with Simulators(pc.guest, ("gun-1",)) as simulators, Accepted(pc.guest) as accepted:
        pc.wait_ready("id-1", "gun-1")
        if away:
            pc.broker.terminate()
        enough = before + rng.randrange(LEAST, 2 * LEAST)
        simulators.begin(f"gun-1 flood 100000 rate={RATE}")
        _people(pc, accepted, enough)
        pc.machine.cut()
        pc.forget()
        promised = accepted.seq
    if away:
        pc.broker.start()
    return promised


def _people(pc: WindowPC, accepted: Accepted, enough: int) -> None:
    """Lay down one card after another until *enough* events are accepted."""
    end = time.monotonic() + READY_S
    for seed in itertools.count(accepted.seq):
        pc.bench.do(f"id-1 insert resident seed={seed}")
        accepted.wait_above(accepted.seq)
        pc.bench.do("id-1 remove")
        if accepted.seq >= enough:
            return
        assert time.monotonic() < end, f"{enough} events are not accepted, but {accepted.seq}"


def _delivered(office: Office, promised: int) -> None:
    wait_until(lambda: promised in set(office.seqs), DELIVERED_S, f"seq {promised} is delivered")
