"""The real outbox on a database in memory, without its thread: its work is done when the schedule says so."""

from __future__ import annotations

import functools
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.store import thread as store_thread
from edge.store.file import get_meta, make, set_meta
from edge.store.outbox import Outbox, Row
from edge.store.retention import AgeClock, Kept
from edge.store.room import Room
from edge.store.tasks import Task
from edge.store.upkeep import Upkeep

NOWHERE = Path("/nowhere/outbox.db")
_ROOM = os.statvfs_result((4096, 4096, 10**9, 10**9, 10**9, 10**9, 10**9, 10**9, 0, 255))


class Disk:
    """What survives a kill -9: one database. *age_s* is the clock that rows age by."""

    def __init__(self, epoch: int, age_s: Callable[[], float]) -> None:
        self.age_s = age_s
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.restore(_empty())
        set_meta(self.db, "epoch", epoch)

    def image(self) -> bytes:
        return self.db.serialize()

    def restore(self, image: bytes) -> None:
        self.db.deserialize(image)

    def close(self) -> None:
        self.db.close()


@functools.cache
def _empty() -> bytes:
    db = sqlite3.connect(":memory:", isolation_level=None)
    make(db, 1)
    image = db.serialize()
    db.close()
    return image


class ThinOutbox(Outbox):
    """An outbox that works in :meth:`work`, in the thread of whoever calls that."""

    def __init__(
        self,
        disk: Disk,
        render: Callable[[Any, int, int], Row],
        accepted: Callable[[list[Row]], None],
        subscribers: Sequence[str],
        kept: Kept,
    ) -> None:
        room = Room(NOWHERE, statvfs=lambda _: _ROOM, clock=disk.age_s)
        age = AgeClock(steady=disk.age_s, wall=disk.age_s, synced=lambda: False, boot=lambda: 1)
        super().__init__(NOWHERE, render, accepted, subscribers, kept=kept, room=room, age=age)
        self._disk = disk
        self._upkeep = Upkeep(self._rows, self._keys, self._age, kept, disk.age_s)
        self.waiting: list[Task] = []
        self.at_once = True

    def open(self) -> None:
        with _opens(self._disk):
            self._begin()
        self.at_once = False

    def _do(self, task: Task) -> Future[Any]:
        self.waiting.append(task)
        if self.at_once:
            self.work()
        return task.future

    def work(self, count: int | None = None) -> None:
        """Do what waits, or the first *count* of it, in one transaction, and what is due by the clock."""
        group, self.waiting = self.waiting[:count], self.waiting[len(self.waiting[:count]) :]
        if group:
            self._transact(self._disk.db, group)
        if (due := self._upkeep.due()) is not None:
            self._transact(self._disk.db, [Task(due)])
        assert self.failed is None, self.failed


@contextmanager
def _opens(disk: Disk) -> Iterator[None]:
    """Let the outbox open *disk* in place of a file."""
    given = disk.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    store = (disk.db, get_meta(disk.db, "epoch"), given[0] if given else 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_thread, "open_store", lambda *_: store)
        yield
