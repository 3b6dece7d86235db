"""The outbox: where an event becomes durable, and the only place that gives out ``seq``.

SQLite in WAL mode with ``synchronous=FULL`` and exactly one connection, in one thread. Whatever waits when the
thread is free goes into one transaction; nothing ever waits for company. An event is *accepted* when
:meth:`Outbox.commit` returns. A row leaves only when every registered subscriber has acknowledged it, or, with
none registered, when the broker has taken it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge.blobs.rows import BlobTable, StoredBlob
from edge.errors import StoreError
from edge.store import get_meta, is_damage, open_store, put_aside, set_meta, why

T = TypeVar("T")
Ranges = list[tuple[int, int]]

_AFTER = """SELECT seq, id, topic, class, public, sealed, refused FROM event
    WHERE seq > ? AND refused IS NULL ORDER BY seq LIMIT ?"""
_BETWEEN = "SELECT seq, id, topic, class, public, sealed, refused FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq"
_INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, NULL)"
_CONFIRM = """INSERT OR REPLACE INTO subscriber
    VALUES (?1, max(?2, coalesce((SELECT upto FROM subscriber WHERE name = ?1), 0)), ?3, ?4)"""
_DELETE_TAKEN = "DELETE FROM event WHERE seq <= ? AND refused IS NULL RETURNING refused"
_DELETE_BETWEEN = "DELETE FROM event WHERE seq BETWEEN ? AND ? RETURNING refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One accepted event. ``topic`` is ``{kind}/{device}/{type}``; the views add their branch."""

    seq: int
    id: str
    topic: str
    class_: int
    public: bytes
    sealed: bytes | None = None
    refused: int | None = None
    """The PUBACK reason for which the broker refused it for good."""
    blob: StoredBlob | None = None
    """When it is new: the blob that is accepted with it."""

    @property
    def type(self) -> str:
        """The event's type as its envelope says, e.g. ``hall.id-card.read.v1``."""
        kind, _, event = self.topic.split("/")
        return f"hall.{kind}.{event}.v1"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order: all there is from behind ``after`` up to ``upto``."""

    after: int
    rows: list[Row]
    upto: int


class Outbox:
    """The store of one window. All methods but :meth:`open` may be called from any thread.

    *render* makes a row from a draft, its seq and the epoch, inside the transaction; an error it raises goes to
    the caller of :meth:`commit` alone. *accepted* hears of new rows, in order, before :meth:`commit` returns.
    """

    def __init__(
        self,
        path: Path,
        render: Callable[[Any, int, int], Row],
        accepted: Callable[[list[Row]], None],
        subscribers: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.epoch = 0
        self.head = 0
        """The last ``seq`` that is durable."""
        self.brokered = 0
        self.depth = self.refused = 0
        """How many rows there are, and how many of them the broker has refused for good."""
        self.blobs = BlobTable()
        self.failed: StoreError | None = None
        self.on_failure: Callable[[StoreError], None] = lambda _error: None
        self.on_blobs: Callable[[list[str]], None] = lambda _gone: None
        """Called in the store's thread when there are new blobs, or the named ones have gone."""
        self._render = render
        self._accepted = accepted
        self._subscribers = tuple(subscribers)
        self._new: list[Row] = []  # of the transaction under way
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._opened: Future[None] = Future()
        self._damaged = False

    def open(self) -> None:
        """Open or create the store; raises ``StoreError``. A damaged one is put aside, never deleted."""
        self._thread.start()
        self._opened.result()

    def commit(self, drafts: Sequence[Any]) -> list[Row]:
        """Make all *drafts* durable in one transaction and return their rows, in order."""
        return self.commit_soon(drafts).result()

    def commit_soon(self, drafts: Sequence[Any]) -> Future[list[Row]]:
        """Like :meth:`commit`, for threads that must not wait."""
        return self.call(lambda db: self._insert(db, drafts))

    def call(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run *work* on the store's connection, in the same transaction as whatever waits with it."""
        task = _Task(work)
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

    def after(self, seq: int, limit: int) -> Future[Page]:
        """Return up to *limit* rows after *seq* that the broker has not refused for good."""

        def work(db: sqlite3.Connection) -> Page:
            rows = [Row(*columns) for columns in db.execute(_AFTER, (seq, limit))]
            return Page(seq, rows, rows[-1].seq if len(rows) == limit else self.head + len(self._new))

        return self.call(work)

    def between(self, first: int, last: int) -> Future[list[Row]]:
        """Return the rows *first* to *last* that are still there, refused ones too."""
        return self.call(lambda db: [Row(*columns) for columns in db.execute(_BETWEEN, (first, last))])

    def settle(self, brokered: int) -> Future[None]:
        """Note that the broker has taken everything up to *brokered*; delete it if nobody else must confirm."""

        def work(db: sqlite3.Connection) -> None:
            set_meta(db, "brokered", brokered)
            if not self._subscribers:
                self._delete(db, _DELETE_TAKEN, brokered)

        return self.call(work)

    def refuse(self, seq: int, reason: int) -> Future[None]:
        """Park the row *seq*: the broker refuses it for good with PUBACK *reason*."""

        def work(db: sqlite3.Connection) -> None:
            done = db.execute("UPDATE event SET refused = ? WHERE seq = ? AND refused IS NULL", (reason, seq))
            self.refused += done.rowcount

        return self.call(work)

    def confirm(self, subscriber: str, upto: int, missing: Ranges) -> Future[None]:
        """Note a subscriber's acknowledgement and delete what all registered subscribers have."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(_CONFIRM, (subscriber, min(upto, self.head), json.dumps(missing), time.time()))
            self._delete_confirmed(db)

        return self.call(work)

    def _delete_confirmed(self, db: sqlite3.Connection) -> None:
        marks = {name: (upto, json.loads(missing)) for name, upto, missing, _ in db.execute("SELECT * FROM subscriber")}
        if any(name not in marks for name in self._subscribers):
            return
        upto = min(marks[name][0] for name in self._subscribers)
        begin = 1
        for first, last in sorted(pair for name in self._subscribers for pair in marks[name][1]):
            if last >= first:
                self._delete(db, _DELETE_BETWEEN, begin, min(first - 1, upto))
                begin = max(begin, min(last, upto) + 1)
        self._delete(db, _DELETE_BETWEEN, begin, upto)

    def _delete(self, db: sqlite3.Connection, statement: str, *bounds: int) -> None:
        gone = db.execute(statement, bounds).fetchall()
        self.depth -= len(gone)
        self.refused -= sum(reason is not None for (reason,) in gone)
        if gone:
            self.blobs.collect(db)

    # -- the store's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            db, self.epoch, self.head, self.depth, self.refused = open_store(self.path)
            self.brokered = get_meta(db, "brokered")
            self.blobs.load(db)
        except StoreError as error:
            self._opened.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001  # whoever opens it waits for an answer
            self._opened.set_exception(StoreError(f"{self.path} cannot be opened ({why(error)})", code="STO-101"))
            return
        self._opened.set_result(None)
        last = False
        while not (last or self.failed):
            waiting = [self._tasks.get()]
            while waiting[-1] is not None and not self._tasks.empty():
                waiting.append(self._tasks.get())
            last = waiting[-1] is None
            self._transact(db, [task for task in waiting if task and task.future.set_running_or_notify_cancel()])
        with contextlib.suppress(sqlite3.Error):
            db.close()
        if self._damaged:
            put_aside(self.path)
        self._refuse_rest()

    def _transact(self, db: sqlite3.Connection, group: list[_Task]) -> None:
        """Do *group* in one transaction and tell everybody."""
        self._new = []
        try:
            db.execute("BEGIN IMMEDIATE")
            for task in group:
                task.do(db)
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # whatever it is: nobody may wait for ever
            # A sync that failed is never tried again: the kernel may have dropped the pages (fsync(2)).
            self._damaged = is_damage(error)
            self.failed = StoreError(f"the outbox {self.path} does not take writes ({why(error)})")
            for task in group:
                task.future.set_exception(self.failed)
            self.on_failure(self.failed)
            return
        self.head += len(self._new)
        self.depth += len(self._new)
        try:
            if self._new:
                self._accepted(self._new)
            if (gone := self.blobs.told()) is not None:
                self.on_blobs(gone)
        finally:
            for task in group:
                task.finish()

    def _insert(self, db: sqlite3.Connection, drafts: Sequence[Any]) -> list[Row]:
        first, now = self.head + len(self._new) + 1, time.time()
        rows = [self._render(draft, first + n, self.epoch) for n, draft in enumerate(drafts)]
        values = [(row.seq, row.id, row.topic, row.class_, now, row.public, row.sealed) for row in rows]
        db.executemany(_INSERT, values)
        self.blobs.insert(db, [(row.seq, row.id, row.blob) for row in rows if row.blob is not None])
        self._new += rows
        return rows

    def _refuse_rest(self) -> None:
        self.failed = self.failed or StoreError("the outbox is closed", code="STO-102")
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None and task.future.set_running_or_notify_cancel():
                    task.future.set_exception(self.failed)


class _Task:
    """A piece of work of the store's thread, and whoever waits for it."""

    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        self.future: Future[Any] = Future()
        self._work = work
        self._result: Any = None
        self._error: Exception | None = None

    def do(self, db: sqlite3.Connection) -> None:
        """Do it in the transaction; only an error of the store ends that."""
        try:
            self._result = self._work(db)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001  # goes to whoever called; the store goes on
            self._error = error

    def finish(self) -> None:
        """Tell whoever waits; after the transaction."""
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)
