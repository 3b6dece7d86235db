"""A piece of work of the store's thread, and how a full disk is told from a store that is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from edge.errors import EdgeError
from edge.store.row_keys import KeysFailed


class Task:
    """*work* and whoever waits for it. *accepts*: it takes events; *again*: on a full disk it may wait for room."""

    def __init__(
        self, work: Callable[[sqlite3.Connection], Any], *, accepts: bool = False, again: bool = False
    ) -> None:
        self.future: Future[Any] = Future()
        self.accepts, self.again = accepts, again
        self._work = work
        self._result: Any = None
        self._error: Exception | None = None

    def do(self, db: sqlite3.Connection) -> None:
        """Do it in the transaction; only an error of the store ends that."""
        self._error = None
        try:
            self._result = self._work(db)
        except (sqlite3.Error, KeysFailed):
            raise
        except Exception as error:  # noqa: BLE001  # goes to whoever called; the store goes on
            self._error = error

    def finish(self) -> None:
        """Tell whoever waits; after the transaction."""
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)

    def fail(self, error: EdgeError) -> None:
        """Tell whoever waits that it has not been done."""
        self.future.set_exception(error)


def ran_out(error: Exception) -> bool:
    """Return whether *error* says that the disk is full and nothing else: SQLite takes such a transaction back."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


def rolled_back(db: sqlite3.Connection) -> bool:
    """End the transaction, if SQLite has not done so; return whether it is over."""
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except sqlite3.Error:
        return False
    return True
