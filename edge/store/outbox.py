"""The outbox: where an event becomes durable, and the only place that gives out ``seq``.

SQLite in WAL mode with ``synchronous=FULL`` and exactly one connection, in one thread. Whatever waits when the
thread is free goes into one transaction; nothing ever waits for company. An event is *accepted* when
:meth:`Outbox.commit` returns. A row leaves only when every registered subscriber has acknowledged it, with none
registered when the broker has taken it, or when its time is over: then a tombstone of the same ``seq`` stays.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.store.file import set_meta
from edge.store.marks import Mark, Marks, read_marks
from edge.store.retention import AgeClock, Kept
from edge.store.room import Room
from edge.store.rows import Buried, Figures, Page, Ranges, Row
from edge.store.tally import Privacy
from edge.store.tasks import Task
from edge.store.thread import StoreThread

if TYPE_CHECKING:
    from edge.config.tables import OutboxTable

__all__ = ["Buried", "Outbox", "Page", "Ranges", "Row"]


class Outbox(StoreThread):
    """The store of one window. All methods but :meth:`open` may be called from any thread.

    *render* makes a row from a draft, its seq and the epoch, inside the transaction; an error it raises goes to
    the caller of :meth:`commit` alone. *accepted* hears of new rows, in order, before :meth:`commit` returns.
    """

    def __init__(
        self, path: Path, render: Callable[[Any, int, int], Row], accepted: Callable[[list[Row]], None],
        subscribers: Sequence[str] = (), *,
        kept: Kept | None = None, room: Room | None = None, age: AgeClock | None = None,
    ) -> None:  # fmt: skip
        """*kept*: for how long; *room*: how much disk is used; *age*: what counts how old a row is."""
        super().__init__(path, subscribers, accepted, kept, room, age)
        self._render = render
        self._marks = Marks(subscribers)

    @property
    def figures(self) -> Figures:
        """What is kept, and what has become of what is not."""
        return self._rows.figures

    @property
    def depth(self) -> int:
        """How many rows there are."""
        return self._rows.figures.depth

    @property
    def refused(self) -> int:
        """How many of them the broker has refused for good."""
        return self._rows.figures.refused

    def commit(self, drafts: Sequence[Any]) -> list[Row]:
        """Make all *drafts* durable in one transaction and return their rows, in order.

        Raises ``StoreError``; :class:`edge.store.room.NotTaken` when there is no room; what *render* raises.
        """
        return self.commit_soon(drafts).result()

    def commit_soon(self, drafts: Sequence[Any]) -> Future[list[Row]]:
        """Like :meth:`commit`, for threads that must not wait."""
        return self._do(Task(lambda db: self._insert(db, drafts), accepts=True))

    def after(self, seq: int, limit: int) -> Future[Page]:
        """Return up to *limit* rows after *seq* that the broker has not refused for good."""
        return self.call(lambda db: self._rows.after(db, seq, limit, self.head + len(self._new)))

    def between(self, first: int, last: int) -> Future[list[Row]]:
        """Return the rows *first* to *last* that are still there, refused ones too."""
        return self.call(lambda db: self._rows.between(db, first, last))

    def known(self, first: int, last: int) -> Future[dict[int, Row | Buried]]:
        """Return what is still known of the events *first* to *last*: their rows, or their tombstones."""

        def work(db: sqlite3.Connection) -> dict[int, Row | Buried]:
            rows = {row.seq: row for row in self._rows.between(db, first, last)}  # what is damaged is buried now
            return {one.seq: one for one in self._rows.buried(db, first, last)} | rows

        return self.call(work)

    def ages(self) -> Future[tuple[float | None, Privacy]]:
        """Return for how long the oldest row has been kept, ``None``: there is none; and the figures of privacy."""
        first = "SELECT born FROM event ORDER BY seq LIMIT 1"

        def work(db: sqlite3.Connection) -> tuple[float | None, Privacy]:
            row = db.execute(first).fetchone()
            oldest_s = max(0, self._age.now_ms() - int(row[0])) / 1000 if row else None
            return oldest_s, self._rows.tally.privacy(db)

        return self.call(work)

    def sweep(self) -> Future[bool]:
        """End some of what has expired; return whether that is all for now. Once a minute it happens by itself."""
        return self.call(self._upkeep.sweep)

    def settle(self, brokered: int) -> Future[None]:
        """Note that the broker has taken everything up to *brokered*; delete it if nobody else must confirm."""

        def work(db: sqlite3.Connection) -> None:
            set_meta(db, "brokered", brokered)
            if not self._marks.subscribers:
                self._rows.delete(db, 0, brokered, refused_too=False)

        return self._do(Task(work, again=True))

    def refuse(self, seq: int, reason: int) -> Future[None]:
        """Park the row *seq*: the broker refuses it for good with PUBACK *reason*."""
        return self._do(Task(lambda db: self._rows.refuse(db, seq, reason), again=True))

    def confirm(self, subscriber: str, upto: int, missing: Ranges) -> Future[None]:
        """Note a subscriber's acknowledgement and delete what all registered subscribers have."""
        at = time.time()

        def work(db: sqlite3.Connection) -> None:
            self._marks.note(db, subscriber, min(upto, self.head), missing, at)
            for first, last in self._marks.confirmed(db):
                self._rows.delete(db, first, last)

        return self._do(Task(work, again=True))

    def renew(self, subscribers: Sequence[str], kept: Kept, limits: OutboxTable) -> Future[dict[str, Mark]]:
        """Keep events for *subscribers*, for as long and in as much room as said; return what all ever confirmed.

        What only a subscriber waited for that is gone leaves with the next acknowledgement of another one.
        """

        def work(db: sqlite3.Connection) -> dict[str, Mark]:
            self._marks = Marks(subscribers)
            self._upkeep.keep_for(kept)
            self.room.limit(limits)
            return read_marks(db)

        return self.call(work)

    def _insert(self, db: sqlite3.Connection, drafts: Sequence[Any]) -> list[Row]:
        self.room.admit(db)
        first = self.head + len(self._new) + 1
        rows = [self._render(draft, first + n, self.epoch) for n, draft in enumerate(drafts)]
        self._rows.insert(db, rows)
        self.room.took(sum(len(row.public) + len(row.sealed or b"") for row in rows))
        self._new += rows
        return rows
