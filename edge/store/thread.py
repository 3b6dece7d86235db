"""The one thread and the one connection of the store: groups what waits, and knows which error ends what."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from edge.blobs.rows import BlobTable
from edge.errors import StoreError
from edge.store.file import get_meta, is_damage, why
from edge.store.retention import AgeClock, Kept
from edge.store.room import IDLE_LOOK_S, NotTaken, Room
from edge.store.row_keys import RowKeys
from edge.store.rows import Row, Rows
from edge.store.salvage import open_store, suspect
from edge.store.tasks import Task, ran_out, rolled_back
from edge.store.upkeep import Upkeep

T = TypeVar("T")
_LATER = 1000
_LOOK_S = 1.0  # so often a full disk is looked at


class StoreThread:
    """Runs tasks in transactions. All methods but :meth:`open` may be called from any thread.

    A full disk takes back the transaction and refuses events, the rest is done without them or waits; any other
    error of the store ends it. *accepted* hears of new rows, in order, before anybody else.
    """

    def __init__(
        self, path: Path, subscribers: Sequence[str], accepted: Callable[[list[Row]], None],
        kept: Kept | None, room: Room | None, age: AgeClock | None,
    ) -> None:  # fmt: skip
        self.path = path
        self.epoch = 0
        self.head = 0
        """The last ``seq`` that is durable."""
        self.brokered = 0
        self.blobs = BlobTable()
        self.failed: StoreError | None = None
        self.room = room or Room(path.parent)
        self.on_failure: Callable[[StoreError], None] = lambda _error: None
        self.on_blobs: Callable[[list[str]], None] = lambda _gone: None
        """Called in the store's thread when there are new blobs, or the named ones have gone."""
        self.on_room: Callable[[NotTaken | None], None] = lambda _trouble: None
        """Called in the store's thread when there is no room any more, and when there is some again."""
        self._subscribers, self._accepted = tuple(subscribers), accepted
        self._age = age or AgeClock()
        self._keys = RowKeys(path.with_name("keys.bin"))
        self._rows = Rows(self._keys, self._age, self.blobs)
        self._upkeep = Upkeep(self._rows, self._keys, self._age, kept or Kept())
        self._told_trouble: str | None = None
        self._later: deque[Task] = deque()
        """What was asked for while the disk was full, and can wait."""
        self._new: list[Row] = []  # of the transaction under way
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._opened: Future[None] = Future()
        self._damaged = False

    def open(self) -> None:
        """Open or create the store; raises ``StoreError``. A damaged one is put aside, never deleted."""
        self.opening().result()

    def opening(self) -> Future[None]:
        """Like :meth:`open`, for threads that must not wait."""
        self._thread.start()
        return self._opened

    def call(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run *work* on the store's connection, in the same transaction as whatever waits with it."""
        return self._do(Task(work))

    def _do(self, task: Task) -> Future[Any]:
        if self.failed:
            task.future.set_exception(self.failed)
        else:
            self._tasks.put(task)
            if self.failed:  # it ended in between
                self._refuse_rest()
        return task.future

    def close(self) -> None:
        """Finish what waits and close the store. Idempotent."""
        self._tasks.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    # -- the store's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            db = self._begin()
        except StoreError as error:
            self._opened.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001  # whoever opens it waits for an answer
            says = f"{self.path} cannot be opened ({why(error)})"
            action = NotTaken.default_action if ran_out(error) else None
            self._opened.set_exception(StoreError(says, code="STO-101", action=action))
            return
        self._opened.set_result(None)
        self._look(db)
        last = False
        while not (last or self.failed):
            waiting = self._waiting()
            last = bool(waiting) and waiting[-1] is None
            group = [task for task in waiting if task and task.future.set_running_or_notify_cancel()]
            if self._later and self.room.trouble is None:
                group = [*self._later, *group]
                self._later.clear()
            if group:
                self._transact(db, group)
            if not (last or self.failed):
                self._keep_up(db)
        self._keys.close(wipe=not self.failed)
        with contextlib.suppress(sqlite3.Error):
            db.close()
        if self._damaged:
            suspect(self.path)
        self._refuse_rest()

    def _keep_up(self, db: sqlite3.Connection) -> None:
        """Do what is due apart from what anybody asks for."""
        if (work := self._upkeep.due()) is not None:
            self._transact(db, [Task(work)])
        if not self.failed:
            try:
                self._upkeep.tidy(db)
            except (sqlite3.Error, StoreError) as error:
                self._fail(error, ())
        if self.room.due and not self.failed:
            self._look(db)

    def _look(self, db: sqlite3.Connection) -> None:
        """See whether there is room, and tell it."""
        try:
            self.room.look(db)
        except (sqlite3.Error, StoreError) as error:
            self._fail(error, ())
        self._tell_room()

    def _begin(self) -> sqlite3.Connection:
        """Open everything that belongs to the store."""
        db, self.epoch, self.head = open_store(self.path, self._subscribers)
        try:
            db.execute("BEGIN IMMEDIATE")
            self.brokered = get_meta(db, "brokered")
            self._age.begin(db)
            self._rows.load(db)
            self.blobs.load(db)
            self._age.keep(db)
            db.execute("COMMIT")
        except BaseException:
            self._keys.close(wipe=False)
            db.close()
            raise
        return db

    def _waiting(self) -> list[Task | None]:
        """Return what waits; nothing, when it is time for upkeep."""
        try:
            longest_s = _LOOK_S if self.room.trouble else 0.0 if self._later else IDLE_LOOK_S
            waiting = [self._tasks.get(timeout=self._upkeep.rest_s(longest_s))]
        except queue.Empty:
            return []
        while waiting[-1] is not None and not self._tasks.empty():
            waiting.append(self._tasks.get())
        return waiting

    def _transact(self, db: sqlite3.Connection, group: list[Task]) -> None:
        """Do *group* in one transaction and tell everybody."""
        self._new = []
        back = self._rows.mark()
        try:
            db.execute("BEGIN IMMEDIATE")
            for task in group:
                task.do(db)
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # whatever it is: nobody may wait for ever
            if ran_out(error) and rolled_back(db):
                back()
                self._ran_out(db, group)
            else:
                self._fail(error, group)
            return
        self._upkeep.wrote(db)
        self._told(group)

    def _told(self, group: Sequence[Task]) -> None:
        """Tell everybody that the transaction is durable, and destroy the keys of what it has deleted."""
        self.head += len(self._new)
        try:
            if self._new:
                self._accepted(self._new)
            if (gone := self.blobs.told()) is not None:
                self.on_blobs(gone)
        finally:
            for task in group:
                task.finish()
        try:
            self._keys.committed()
        except StoreError as error:
            self._fail(error, ())
        self._tell_room()

    def _ran_out(self, db: sqlite3.Connection, group: list[Task]) -> None:
        """The disk is full and nothing of *group* has happened: take no events, and do the rest without them."""
        self.room.ran_out()
        self._upkeep.taken_back()
        for task in group:
            if task.accepts:
                task.fail(self.room.refusal())
        rest = [task for task in group if not task.accepts]
        if len(rest) < len(group):
            self._transact(db, rest)
        else:
            self._later.extend(task for task in rest if task.again)
            for task in rest:
                if not task.again:
                    task.fail(self.room.refusal())
            while len(self._later) > _LATER:
                self._later.popleft().fail(self.room.refusal())
        self._tell_room()

    def _fail(self, error: Exception, group: Sequence[Task]) -> None:
        """End the store. A sync that failed is never tried again: the kernel may have dropped the pages (fsync(2))."""
        self._damaged = is_damage(error)
        says = f"the outbox {self.path} does not take writes ({why(error)})"
        self.failed = error if isinstance(error, StoreError) else StoreError(says)
        for task in group:
            task.fail(self.failed)
        self.on_failure(self.failed)

    def _tell_room(self) -> None:
        trouble = self.room.trouble
        code = trouble.code if trouble else None
        if trouble is not None:
            self._upkeep.short_of_room()
        if code != self._told_trouble:
            self._told_trouble = code
            self.on_room(trouble)

    def _refuse_rest(self) -> None:
        self.failed = self.failed or StoreError("the outbox is closed", code="STO-102")
        while self._later:
            self._later.popleft().fail(self.failed)
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None and task.future.set_running_or_notify_cancel():
                    task.future.set_exception(self.failed)
