"""A short script of a store, once for every call that it makes to the disk, and that call fails.

As a program on the preloaded disk: ``python -m tests.faults.disk.failing FOLDER TROUBLE`` prints a report as JSON.
Every run has three parts: the script with its trouble, in a process of its own; a new start on the disk as the kernel
shows it; and, when a sync failed, power cuts behind that: what it should have written never reaches the disk.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
from edge.store.room import Room
from tests.faults.disk import rig
from tests.faults.disk.cuts import check
from tests.faults.disk.forks import WELL, Fork, Pipe, prepare
from tests.faults.disk.image import EVERYTHING, NOTHING, Disk, Survival, taken
from tests.faults.disk.journal import records
from tests.faults.disk.rig import Store
from tests.faults.disk.shim import Calls, Shim
from tests.faults.disk.troubles import TROUBLES, Script, Trouble
from tests.faults.disk.truth import Truth, mark_accepted, problems, rendered_to

HASTE = 100
"""So much faster runs the clock by which the store looks whether there is room again."""
CUTS = 4
"""At so many points behind a failed sync, besides the last one, the power is cut."""


class Both:
    """Marks for the disk's log and for the parent."""

    def __init__(self, shim: Shim, pipe: Pipe) -> None:
        self._to = (shim, pipe)

    def mark(self, what: str, **about: Any) -> None:
        for one in self._to:
            one.mark(what, **about)


class Bench:
    """Does the script for every call, and looks at what is left."""

    def __init__(self, folder: Path, trouble: Trouble) -> None:
        self._template, self._state, self._log = folder / "template", folder / "state", folder / "log"
        self._trouble, self._shim = trouble, Shim()
        self._template.mkdir()
        self._before = Fork(self._prepare).end()[1]
        self._image = taken(self._template)
        self.wrong: list[str] = []
        self.runs = self.survived = self.cuts = 0

    def run(self) -> dict[str, Any]:
        """Fail the first call, the second … until there is none left to fail; return a report."""
        while self._one(self.runs + 1):
            self.runs += 1
        return {"runs": self.runs, "survived": self.survived, "cuts": self.cuts, "wrong": self.wrong[:20]}

    def _prepare(self, pipe: Pipe) -> None:
        store = Store(self._template, rendered_to(pipe))
        for number in range(2):
            mark_accepted(pipe, store.accept(rig.ticket(number)))
        store.close()

    def _truth(self) -> Truth:
        truth = Truth()
        for mark in self._before:
            truth.hear(mark)
        return truth

    def _one(self, nth: int) -> bool:
        """Let call *nth* fail; return whether there was such a call."""
        shutil.copytree(self._template, self._state)
        truth = self._truth()
        status, marks = Fork(lambda pipe: self._script(pipe, nth)).end()
        ended: dict[str, Any] = {}
        for mark in marks:
            if mark["what"] == "ended":
                ended = mark
            else:
                truth.hear(mark)
        wrong = ended["wrong"] if status == WELL else [f"the process ended with {status}"]
        wrong += self._come_back(truth)
        if self._trouble.calls == Calls.SYNC:
            wrong += self._cut(nth)
        self.wrong += [f"call {nth}: {what}" for what in wrong]
        shutil.rmtree(self._state)
        self._log.unlink()
        self.survived += bool(ended.get("survived"))
        return bool(ended.get("failed"))

    def _script(self, pipe: Pipe, nth: int) -> None:
        """Do the script. Every second time a store that failed is not closed, as when the process crashes."""
        trouble, shim = self._trouble, self._shim
        shim.watch(self._state, self._log)
        shim.arm(trouble.calls, nth, trouble.deed, trouble.error)
        marks = Both(shim, pipe)
        try:
            store = Store(self._state, rendered_to(marks), Room(self._state, clock=lambda: time.monotonic() * HASTE))
        except EdgeError:
            pipe.mark("ended", failed=True, wrong=[])
            return
        script = Script(store, marks)
        script.run()
        failed = shim.calls >= nth
        if trouble.passes or not failed:
            shim.count()
        survived = script.goes_on()
        script.answered()
        wrong = []
        if survived == bool(store.outbox.failed):
            wrong.append(f"events are taken: {survived}, but it says: {store.outbox.failed}")
        if trouble.passes and not survived:
            wrong.append("it does not go on when there is room again")
        if survived or nth % 2:
            store.close()
        pipe.mark("ended", failed=failed, survived=survived, wrong=wrong)

    def _come_back(self, truth: Truth) -> list[str]:
        """Start again, as systemd would, on the disk as the kernel shows it, and accept one event more."""
        self._shim.watch(self._state, self._log)
        wrong = problems(self._state, truth, self._shim)
        self._shim.ignore()
        return wrong

    def _cut(self, nth: int) -> list[str]:
        """Cut the power at some points behind the sync that failed, and at the end."""
        steps, truth, disk, rng = records(self._log), self._truth(), Disk(self._state, self._image), random.Random(nth)
        failed = next((number for number, step in enumerate(steps) if step.kind == "F"), len(steps))
        points = {len(steps) - 1, *rng.sample(range(failed, len(steps)), min(CUTS, len(steps) - failed))}
        wrong = []
        for number, step in enumerate(steps):
            if step.kind == "M":
                truth.hear(step.mark)
            else:
                disk.do(step)
            for survival in (NOTHING, Survival(0.5, rng), EVERYTHING) if number in points else ():
                wrong += [f"cut at {number}: {what}" for what in check(disk.found(survival), truth)]
                self.cuts += 1
        return wrong


def main(arguments: Sequence[str]) -> None:
    folder, name = arguments
    rig.warm_up()
    prepare()
    print(json.dumps(Bench(Path(folder), TROUBLES[name]).run()))  # noqa: T201  # its report


if __name__ == "__main__":
    main(sys.argv[1:])
