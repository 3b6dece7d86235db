"""How far each subscriber has acknowledged, as the store keeps it, and what all registered ones have."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from edge import logs
from edge.store.row_digest import row_digest

_NOTE = """INSERT INTO subscriber VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
    upto = excluded.upto, missing = excluded.missing, acked = excluded.acked, digest = excluded.digest"""
_log = logs.get("store")


class Mark(NamedTuple):
    """A subscriber has everything up to *upto* but for *missing*; it said so at *acked* (Unix seconds)."""

    upto: int
    missing: list[tuple[int, int]]
    acked: float | None


def read_marks(db: sqlite3.Connection) -> dict[str, Mark]:
    """Return what the store knows of every subscriber that ever said anything; a damaged entry says nothing."""
    marks = {}
    for name, upto, missing, acked, digest in db.execute("SELECT * FROM subscriber"):
        if digest == row_digest("subscriber", (name, upto, missing, acked)):
            marks[name] = Mark(upto, json.loads(missing), acked)
        else:
            _log.error("what is known of a subscriber is damaged: it counts as one that has said nothing")
    return marks


def merged(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return *pairs* in order, without overlaps and without empty ones."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(pair for pair in pairs if pair[0] <= pair[1]):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


class Marks:
    """The acknowledgements of the registered *subscribers*. Used in the store's transactions."""

    def __init__(self, subscribers: Sequence[str]) -> None:
        self.subscribers = tuple(subscribers)

    def note(
        self, db: sqlite3.Connection, subscriber: str, upto: int, missing: list[tuple[int, int]], at: float
    ) -> None:
        """Note an acknowledgement. One with a smaller *upto* than before says nothing of what is behind that."""
        before = read_marks(db).get(subscriber)
        if before and upto < before.upto:
            missing = merged([*missing, *((max(first, upto + 1), last) for first, last in before.missing)])
            upto = before.upto
        columns = (subscriber, upto, json.dumps(missing), at)
        digest = row_digest("subscriber", columns)
        db.execute(_NOTE, (*columns, digest))

    def confirmed(self, db: sqlite3.Connection) -> Iterator[tuple[int, int]]:
        """Yield the ranges of ``seq`` that every registered subscriber has."""
        marks = read_marks(db)
        if any(name not in marks for name in self.subscribers):
            return
        upto = min(marks[name].upto for name in self.subscribers)
        begin = 1
        for first, last in sorted(pair for name in self.subscribers for pair in marks[name].missing):
            if last >= first:
                yield begin, min(first - 1, upto)
                begin = max(begin, min(last, upto) + 1)
        yield begin, upto
