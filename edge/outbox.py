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

from edge.errors import StoreError
from edge.store import get_meta, open_store, set_meta, why

T = TypeVar("T")
Ranges = list[tuple[int, int]]

_COLUMNS = "seq, id, topic, class, public, sealed, refused"


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


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order, and the ``seq`` up to which they are all there is."""

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
        self.brokered = 0
        self.failed: StoreError | None = None
        self.on_failure: Callable[[StoreError], None] = lambda _error: None
        self._render = render
        self._accepted = accepted
        self._subscribers = tuple(subscribers)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._opened: Future[None] = Future()

    def open(self) -> None:
        """Open or create the store; raises ``StoreError``. A damaged one is put aside, never deleted."""
        self._thread.start()
        self._opened.result()

    def commit(self, drafts: Sequence[Any]) -> list[Row]:
        """Make all *drafts* durable in one transaction and return their rows, in order."""
        return self.commit_soon(drafts).result()

    def commit_soon(self, drafts: Sequence[Any]) -> Future[list[Row]]:
        """Like :meth:`commit`, for threads that must not wait."""
        return self.submit(_Commit(drafts))

    def call(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run *work* on the store's connection, in the same transaction as whatever waits with it."""
        return self.submit(_Call(work))

    def submit(self, task: _Task) -> Future[Any]:
        """Hand *task* to the store's thread."""
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
            found = db.execute(
                f"SELECT {_COLUMNS} FROM event WHERE seq > ? AND refused IS NULL ORDER BY seq LIMIT ?", (seq, limit)
            )
            rows = [Row(*columns) for columns in found]
            return Page(rows, rows[-1].seq if len(rows) == limit else self.head)

        return self.call(work)

    def between(self, first: int, last: int) -> Future[list[Row]]:
        """Return the rows *first* to *last* that are still there, refused ones too."""
        query = f"SELECT {_COLUMNS} FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq"
        return self.call(lambda db: [Row(*columns) for columns in db.execute(query, (first, last))])

    def settle(self, brokered: int) -> Future[None]:
        """Note that the broker has taken everything up to *brokered*; delete it if nobody else must confirm."""

        def work(db: sqlite3.Connection) -> None:
            set_meta(db, "brokered", brokered)
            if not self._subscribers:
                db.execute("DELETE FROM event WHERE seq <= ? AND refused IS NULL", (brokered,))

        return self.call(work)

    def refuse(self, seq: int, reason: int) -> Future[None]:
        """Park the row *seq*: the broker refuses it for good with PUBACK *reason*."""
        return self.call(lambda db: _do(db, "UPDATE event SET refused = ? WHERE seq = ?", (reason, seq)))

    def confirm(self, subscriber: str, upto: int, missing: Ranges) -> Future[None]:
        """Note a subscriber's acknowledgement and delete what all registered subscribers have."""

        def work(db: sqlite3.Connection) -> None:
            _do(
                db,
                "INSERT OR REPLACE INTO subscriber VALUES (?, max(?, coalesce("
                "(SELECT upto FROM subscriber WHERE name = ?), 0)), ?, ?)",
                (subscriber, min(upto, self.head), subscriber, json.dumps(missing), time.time()),
            )
            self._delete_confirmed(db)

        return self.call(work)

    def _delete_confirmed(self, db: sqlite3.Connection) -> None:
        marks = {name: (upto, json.loads(missing)) for name, upto, missing, _ in db.execute("SELECT * FROM subscriber")}
        if any(name not in marks for name in self._subscribers):
            return
        kept = [(first, last) for name in self._subscribers for first, last in marks[name][1]]
        upto = min(marks[name][0] for name in self._subscribers)
        clause = "".join(" AND NOT seq BETWEEN ? AND ?" for _ in kept)
        bounds = [bound for pair in kept for bound in pair]
        db.execute(f"DELETE FROM event WHERE seq <= ?{clause}", [upto, *bounds])

    # -- the store's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            db, self.epoch, self.head = open_store(self.path)
            self.brokered = get_meta(db, "brokered")
        except (sqlite3.Error, OSError) as error:
            self._opened.set_exception(StoreError(f"{self.path} cannot be opened ({why(error)})", code="STO-101"))
            return
        except StoreError as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        group: list[_Task] = []
        while (task := self._tasks.get()) is not None:
            group, last = self._gather(task)
            if not self._transact(db, group) or last:
                break
        with contextlib.suppress(sqlite3.Error):
            db.close()
        self._refuse_rest()

    def _gather(self, task: _Task) -> tuple[list[_Task], bool]:
        """Return *task* and all that waits behind it, and whether the end was asked for."""
        group = [task]
        with contextlib.suppress(queue.Empty):
            while True:
                following = self._tasks.get_nowait()
                if following is None:
                    return group, True
                group.append(following)
        return group, False

    def _transact(self, db: sqlite3.Connection, group: list[_Task]) -> bool:
        """Do *group* in one transaction; return whether the store still works."""
        head = self.head
        try:
            db.execute("BEGIN IMMEDIATE")
            for task in group:
                task.work(self, db)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            # A sync that failed is never tried again: the kernel may have dropped the pages (fsync(2)).
            self.head = head
            self.failed = StoreError(f"the outbox {self.path} does not take writes ({why(error)})")
            for task in group:
                task.future.set_exception(self.failed)
            self._refuse_rest()
            self.on_failure(self.failed)
            return False
        rows = [row for task in group if isinstance(task, _Commit) for row in task.rows]
        if rows:
            self._accepted(rows)
        for task in group:
            task.finish()
        return True

    def _refuse_rest(self) -> None:
        self.failed = self.failed or StoreError("the outbox is closed", code="STO-102")
        with contextlib.suppress(queue.Empty):
            while True:
                if (task := self._tasks.get_nowait()) is not None:
                    task.future.set_exception(self.failed)


class _Task:
    """A piece of work of the store's thread."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()
        self._result: Any = None
        self._error: Exception | None = None

    def work(self, outbox: Outbox, db: sqlite3.Connection) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Tell whoever waits; after the transaction."""
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)


class _Call(_Task):
    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        super().__init__()
        self._work = work

    def work(self, outbox: Outbox, db: sqlite3.Connection) -> None:
        try:
            self._result = self._work(db)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001  # goes to whoever called; the store goes on
            self._error = error


class _Commit(_Task):
    def __init__(self, drafts: Sequence[Any]) -> None:
        super().__init__()
        self._drafts = drafts
        self.rows: list[Row] = []

    def work(self, outbox: Outbox, db: sqlite3.Connection) -> None:
        try:
            first = outbox.head + 1
            rows = [outbox._render(draft, first + n, outbox.epoch) for n, draft in enumerate(self._drafts)]
        except Exception as error:  # noqa: BLE001  # goes to whoever called; the store goes on
            self._error = error
            return
        now = time.time()
        db.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            [(row.seq, row.id, row.topic, row.class_, now, row.public, row.sealed) for row in rows],
        )
        outbox.head += len(rows)
        self.rows = self._result = rows


def _do(db: sqlite3.Connection, statement: str, values: Sequence[Any]) -> None:
    db.execute(statement, values)

