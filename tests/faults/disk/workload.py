"""What a window does to its store, in random order, with a mark for every promise that the store makes.

As a program on the preloaded disk: ``python -m tests.faults.disk.workload FOLDER STEPS CHECKPOINT LAX SEED...`` works
in ``FOLDER/{seed}/state`` and leaves ``FOLDER/{seed}/log``. CHECKPOINT: after how many pages SQLite copies its log
into the file (its own default is 1000; short programs shall see it too). LAX breaks the store on purpose, to prove
that the bench finds it: ``commits`` asks SQLite for less than FULL, ``names`` syncs no folder, ``no`` is as it is.
"""

from __future__ import annotations

import functools
import json
import random
import re
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edge.blobs.files
import edge.state_dir
from edge.envelope import Draft
from edge.store.outbox import Row
from tests.core.store_rig import busy
from tests.faults.disk import rig
from tests.faults.disk.rig import OFFICES, Store
from tests.faults.disk.shim import Shim
from tests.faults.disk.truth import Marks, mark_accepted, rendered_to

_ACKS = "SELECT name, upto, missing FROM subscriber"


class Work:
    """A store at work; every method does one thing and marks what it was told."""

    def __init__(self, folder: Path, marks: Marks, rng: random.Random) -> None:
        self._folder, self._marks, self._rng = folder, marks, rng
        self.open()

    def open(self) -> None:
        self.store = Store(self._folder, rendered_to(self._marks))
        self._marks.mark("opened", epoch=self.store.outbox.epoch)
        self._live = {row.seq for row in self.store.rows()}
        acks = self.store.outbox.call(lambda db: db.execute(_ACKS).fetchall()).result()
        self._acks = {name: (upto, json.loads(missing)) for name, upto, missing in acks}

    def step(self) -> None:
        """Do one of the things that happen at a window."""
        things = {
            self.one: 8, self.several: 3, self.burst: 2, self.picture: 3, self.confirm: 4, self.settle: 3,
            self.refuse: 1, self.sent: 2, self.again: 0.5,
        }  # fmt: skip
        self._rng.choices(list(things), list(things.values()))[0]()

    def one(self) -> None:
        self._accepted(self.store.outbox.commit([self._draft()]))

    def several(self) -> None:
        self._accepted(self.store.outbox.commit([self._draft() for _ in range(self._rng.randrange(2, 6))]))

    def burst(self) -> None:
        """Let several devices share one transaction."""
        with busy(self.store.outbox):
            futures = [self.store.outbox.commit_soon([self._draft()]) for _ in range(self._rng.randrange(2, 6))]
        for future in futures:
            self._accepted(future.result())

    def picture(self) -> None:
        draft, data = rig.scanned_page(
            self._rng.randrange(1 << 30), self._rng.randrange(1, 9000), self._rng.choice(("public", "personal"))
        )
        row = self.store.accept(draft, data)
        blob = self.store.blob_of(row.seq)
        assert blob is not None
        self._accepted([row], self.store.blob_digest(blob))

    def sent(self) -> None:
        """Let the broker have taken every picture."""
        outbox = self.store.outbox

        def take(db: sqlite3.Connection) -> None:
            for seq in sorted(self._live):
                outbox.blobs.took(db, seq, 1 << 20)

        outbox.call(take).result()
        self.store.files.sweep()

    def confirm(self) -> None:
        office = self._rng.choice(OFFICES)
        upto = self._rng.randrange(max(self.store.outbox.head, 1)) + 1
        missing = [(first, first + self._rng.randrange(3)) for first in self._rng.sample(range(1, upto + 1), upto > 3)]
        self._acks[office] = (max(upto, self._acks.get(office, (0, []))[0]), missing)
        self._marks.mark("releasing", seqs=self._covered())
        self.store.outbox.confirm(office, upto, missing).result()
        left = {row.seq for row in self.store.rows()}
        gone = sorted(self._live - left)
        self._marks.mark("released", seqs=gone, office=office, upto=min(upto, self.store.outbox.head))
        self._live = left
        self.store.files.sweep()

    def settle(self) -> None:
        self.store.outbox.settle(self.store.outbox.head).result()

    def refuse(self) -> None:
        if self._live:
            seq = self._rng.choice(sorted(self._live))
            self.store.outbox.refuse(seq, 0x87).result()
            self._marks.mark("refused", seq=seq, reason=0x87)

    def again(self) -> None:
        """End and start, as after an update."""
        self.store.close()
        self.open()

    def _covered(self) -> list[int]:
        """Return the rows that every office has acknowledged."""
        if len(self._acks) < len(OFFICES):
            return []
        upto = min(ack for ack, _ in self._acks.values())
        missing = {seq for _, pairs in self._acks.values() for first, last in pairs for seq in range(first, last + 1)}
        return sorted(seq for seq in self._live if seq <= upto and seq not in missing)

    def _draft(self) -> Draft:
        kind = self._rng.random()
        if kind < 0.2:
            return rig.personal()
        if kind < 0.4:
            return rig.rating(self._rng.randrange(1, 6))
        return rig.ticket(self._rng.randrange(1 << 20), self._rng.choice((20, 200, 9000)))

    def _accepted(self, rows: Sequence[Row], blob: str | None = None) -> None:
        for row in rows:
            mark_accepted(self._marks, row, blob)
            self._live.add(row.seq)


def tune(checkpoint: int, lax: str = "no") -> None:
    """Let every connection of this process copy its log after *checkpoint* pages; break what *lax* names."""

    class Tuned(sqlite3.Connection):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            super().execute(f"PRAGMA wal_autocheckpoint = {checkpoint}")

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if lax == "commits":
                sql = re.sub(r"(synchronous\s*=\s*)\w+", r"\1NORMAL", sql)
            return super().execute(sql, *values)

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Tuned)  # type: ignore[assignment]
    if lax == "names":
        for module in (edge.blobs.files, edge.state_dir):
            module.sync_folder = lambda _path: None  # type: ignore[attr-defined]


def run(folder: Path, seed: int, steps: int) -> None:
    """Work for *steps* steps in a fresh folder."""
    shim, state = Shim(), folder / str(seed) / "state"
    state.mkdir(parents=True)
    shim.watch(state, folder / str(seed) / "log")
    work = Work(state, shim, random.Random(seed))
    for _ in range(steps):
        work.step()
    work.store.close()
    shim.ignore()


def main(arguments: Sequence[str]) -> None:
    folder, steps, checkpoint, lax, *seeds = arguments
    tune(int(checkpoint), lax)
    for seed in seeds:
        run(Path(folder), int(seed), int(steps))


if __name__ == "__main__":
    main(sys.argv[1:])
