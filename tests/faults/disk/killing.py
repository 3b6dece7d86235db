"""A fork server whose children work on one store and are killed: at a chosen call, or at any time.

As a program on the preloaded disk: ``python -m tests.faults.disk.killing FOLDER HOW NUMBER SEED``. HOW is
``boundaries`` (NUMBER events, each killed before it is written, before it is synced, and once it is accepted),
``calls`` (each killed before every call it makes) or ``random`` (NUMBER kills at any time). Prints a report as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults.disk import rig
from tests.faults.disk.forks import WELL, Fork, Pipe, prepare
from tests.faults.disk.rig import Store
from tests.faults.disk.shim import Calls, Deed, Shim
from tests.faults.disk.truth import Truth, mark_accepted, problems, rendered_to
from tests.faults.disk.workload import Work, tune

LOOKS = 5
"""Every so many kills the store is opened and compared with the truth; in between crash follows on crash."""
MOST_MARKS, LONGEST_MORE_S = 12, 0.004
"""A child that is killed at random lives until it has promised so much, and a little longer."""
BOUNDARIES = ((Calls.WRITE, 1), (Calls.SYNC, 1))
KILLED = -9


class Killer:
    """What is known of the store, and how often its process was killed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._rng = folder, random.Random(seed)
        self._truth = Truth()
        self.kills = 0
        self.wrong: list[str] = []

    def report(self) -> dict[str, Any]:
        self.look()
        return {"kills": self.kills, "accepted": len(self._truth.accepted), "wrong": self.wrong[:20]}

    def _learn(self, marks: list[dict[str, Any]]) -> None:
        for mark in marks:
            self._truth.hear(mark)

    def look(self) -> None:
        """Open the store and compare it with the truth."""
        self.wrong += problems(self._folder, self._truth, self)

    def mark(self, what: str, **about: Any) -> None:
        """Learn what the store promised to ourselves."""
        self._truth.hear({"what": what, **about})

    # -- at every call ------------------------------------------------------------------------------

    def commit(self, number: int, ways: Iterable[tuple[Calls, int]]) -> None:
        """Accept one event, and be killed on the way in every one of *ways*, until it lives to be accepted."""
        for calls, nth in ways:
            if self._one_more(number, calls, nth):
                break
        else:
            self._one_more(number, Calls.ALL, 0)
        if number % LOOKS == 0:
            self.look()

    def _one_more(self, number: int, calls: Calls, nth: int) -> bool:
        """Return whether it lived to be accepted."""
        shim, opening = Shim(), number % 20 == 0

        def work(pipe: Pipe) -> None:
            if opening:  # the calls of coming back are killed too
                shim.arm(calls, nth, Deed.KILL)
            store = Store(self._folder, rendered_to(pipe))
            pipe.mark("opened", epoch=store.outbox.epoch)
            if not opening:
                shim.arm(calls, nth, Deed.KILL)
            mark_accepted(pipe, store.accept(rig.ticket(number)))
            if number % 5 == 0:
                store.close()
            else:
                os.kill(os.getpid(), signal.SIGKILL)

        status, marks = Fork(work).end()
        self._learn(marks)
        self.kills += status == KILLED
        if status not in (KILLED, WELL):
            self.wrong.append(f"event {number}, call {nth}: the child ended with {status}")
        return any(mark["what"] == "accepted" for mark in marks)

    # -- at random ----------------------------------------------------------------------------------

    def at_random(self) -> None:
        """Let a child work, and kill it some time after it began: now and then before it is even open."""
        seed = self._rng.getrandbits(32)

        def work(pipe: Pipe) -> None:
            working = Work(self._folder, pipe, random.Random(seed))
            while True:
                working.step()

        fork = Fork(work)
        fork.wait_marks(self._rng.randrange(MOST_MARKS))
        fork.go_on(self._rng.random() * LONGEST_MORE_S)
        status, marks = fork.kill()
        self._learn(marks)
        if status != KILLED:
            self.wrong.append(f"a child ended with {status} before it was killed")
        self.kills += 1
        if self.kills % LOOKS == 0:
            self.look()


def main(arguments: Sequence[str]) -> None:
    folder, how, number, seed = arguments
    state = Path(folder) / "state"
    state.mkdir()
    killer = Killer(state, int(seed))
    Shim().watch(state, Path(os.devnull))
    tune(50)
    rig.warm_up()
    prepare()
    for one in range(int(number)):
        if how == "random":
            killer.at_random()
        else:
            killer.commit(one, BOUNDARIES if how == "boundaries" else ((Calls.ALL, nth) for nth in count(1)))
    print(json.dumps(killer.report()))  # noqa: T201  # its report


if __name__ == "__main__":
    main(sys.argv[1:])
