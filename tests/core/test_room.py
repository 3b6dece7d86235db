"""A full disk: no event is taken before it is too late, nothing accepted is lost, and it goes on by itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config.tables import OutboxTable
from edge.store.room import NotTaken, Room
from edge.store.tasks import Task
from tests.core.store_rig import SENSITIVE, busy, opened
from tests.support.wait import wait_until

MB = 1_000_000


class Disk:
    """A disk whose free space the test decides."""

    def __init__(self, free_mb: int = 1000) -> None:
        self.free_mb, self.asked, self.now = free_mb, 0, 0.0

    def statvfs(self, path: Path) -> os.statvfs_result:
        self.asked += 1
        real = list(os.statvfs(path))
        real[1], real[4] = 4096, self.free_mb * MB // 4096  # f_frsize, f_bavail
        return os.statvfs_result(real)

    def room(self, path: Path, *, max_mb: int = 1000, reserve_mb: int = 64) -> Room:
        limits = OutboxTable(max_mb=max_mb, reserve_mb=reserve_mb)
        return Room(path.parent, limits, statvfs=self.statvfs, clock=lambda: self.now)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def limit_pages(more: int) -> Callable[[sqlite3.Connection], object]:
    """Return what lets the store's file grow by so many pages only: then SQLite says SQLITE_FULL, as on a full disk."""

    def work(db: sqlite3.Connection) -> object:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        return db.execute(f"PRAGMA max_page_count = {pages + more}").fetchone()

    return work


def test_it_stops_before_the_reserve_and_goes_on_by_itself(path: Path) -> None:
    disk = Disk()
    told: list[str | None] = []
    with opened(path, "office", room=disk.room(path)) as desk:
        desk.outbox.on_room = lambda trouble: told.append(trouble.code if trouble else None)
        desk.commit("a")
        disk.free_mb, disk.now = 63, 2.0
        for _ in range(3):
            with pytest.raises(NotTaken, match="STO-120"):
                desk.commit("b")
        assert desk.outbox.room.trouble is not None
        desk.outbox.confirm("office", 1, []).result()  # what is not an event still works
        assert desk.seqs() == []
        disk.free_mb, disk.now = 64, 10.0
        with pytest.raises(NotTaken):  # not yet: it would be a yes and a no with every page
            desk.commit("b")
        disk.free_mb, disk.now = 100, 20.0
        wait_until(lambda: desk.outbox.room.trouble is None, 5, "it looks by itself")
        assert desk.commit("b") == [2]
        assert told == ["STO-120", None]
        assert not desk.failures


def test_the_disk_is_asked_once_a_second_or_after_a_megabyte(path: Path) -> None:
    disk = Disk()
    with opened(path, "office", room=disk.room(path)) as desk:
        for _ in range(50):
            desk.commit("a")
        assert disk.asked == 1
        disk.now = 1.5
        desk.commit("a")
        assert disk.asked == 2
        for _ in range(30):
            desk.commit("x" * 100_000)
        assert disk.asked in (4, 5)


def test_what_was_freed_is_room_but_half_of_the_reserve_is_on_the_disk(path: Path) -> None:
    disk = Disk()
    with opened(path, "office", room=disk.room(path)) as desk:
        desk.commit(*["x" * 100_000] * 400)
        desk.outbox.confirm("office", 400, []).result()  # 40 MB are free inside the file
        disk.free_mb, disk.now = 33, 2.0
        assert desk.commit("a")
        disk.free_mb, disk.now = 31, 4.0
        with pytest.raises(NotTaken, match="STO-120"):
            desk.commit("b")


def test_what_the_wal_owes_to_the_file_is_no_room(path: Path) -> None:
    disk = Disk()
    with opened(path, "office", room=disk.room(path)) as desk:
        desk.commit("x" * 3 * MB)
        assert path.stat().st_size < MB  # it stands in the WAL only
        disk.free_mb, disk.now = 66, 2.0
        with pytest.raises(NotTaken, match="STO-120"):
            desk.commit("b")
        wait_until(lambda: path.stat().st_size > 3 * MB, 5, "short of room, the WAL is emptied")
        disk.now = 20.0
        assert desk.commit("b")


def test_it_takes_no_more_than_its_share_until_some_is_fetched(path: Path) -> None:
    disk = Disk()
    with opened(path, "office", room=disk.room(path, max_mb=3)) as desk:

        def fill() -> None:
            for _ in range(100):
                desk.commit("x" * 100_000)
                disk.now += 2.0

        with pytest.raises(NotTaken, match="STO-121"):
            fill()
        assert 25 <= desk.outbox.head <= 32
        desk.outbox.confirm("office", desk.outbox.head, []).result()
        disk.now += 2.0
        assert desk.commit("y")  # the file did not shrink, but what it holds did
        assert path.with_name("outbox.db-wal").stat().st_size > 2 * MB


def test_a_disk_that_is_full_all_the_same_costs_the_new_event_alone(path: Path) -> None:
    """Others filled the disk: the transaction is taken back, and whoever only reads or deletes does not notice."""
    with opened(path, "office") as desk:
        desk.commit("a", SENSITIVE)
        depth = desk.outbox.depth
        desk.outbox.call(limit_pages(1)).result()
        with busy(desk.outbox):
            reading = desk.outbox.after(0, 10)
            deleting = desk.outbox.confirm("office", 1, [])
            full = desk.outbox.commit_soon(["x" * 50_000])
        with pytest.raises(NotTaken, match="STO-120"):
            full.result()
        assert len(reading.result().rows) == 2
        assert deleting.result() is None
        assert (desk.outbox.depth, 0) == desk.figures() == (depth - 1, 0)
        assert desk.seqs() == [2]
        desk.outbox.call(limit_pages(1000)).result()
        wait_until(lambda: desk.outbox.room.trouble is None, 5, "there is room again")
        assert desk.commit("b") == [3]
        assert desk.outbox.between(2, 2).result()[0].sealed == SENSITIVE.encode()
        assert not desk.failures
    with opened(path, "office") as desk:
        assert desk.seqs() == [2, 3]


def test_what_can_wait_is_done_when_there_is_room_again(path: Path) -> None:
    full = [True]

    def deed(db: sqlite3.Connection) -> str:
        if full[0]:
            limit_pages(0)(db)
            db.execute("CREATE TABLE never AS SELECT zeroblob(100000)")
        return "done"

    with opened(path, "office") as desk:
        waits, does_not = Task(deed, again=True), Task(deed)
        with busy(desk.outbox):
            for task in (waits, does_not):
                desk.outbox._do(task)  # noqa: SLF001
        with pytest.raises(NotTaken):
            does_not.future.result(5)
        assert not waits.future.done()
        full[0] = False
        assert waits.future.result(5) == "done"
        assert not desk.failures
