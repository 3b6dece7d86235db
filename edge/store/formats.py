"""How a store of an older format becomes one of this format. Each runs inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from edge.blobs.rows import blob_digest
from edge.store.row_digest import row_digest

Brought = tuple[int, int, dict[str, int]]
"""The head and the epoch of the old store, and what else it kept under a name."""

_EVENTS = "SELECT seq, id, topic, class, refused, public, sealed FROM old_event ORDER BY seq"
_BLOBS = """SELECT seq, event, id, media_type, size, sha256, part_size, parts, sealed, taken, parked
    FROM old_blob ORDER BY seq"""


def _to_three(db: sqlite3.Connection, schema: str, tables: tuple[str, ...]) -> Brought:
    """Copy every row and give it its check value; ages count from now on, so that nothing ends early."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    for table in tables:
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in filter(str.strip, schema.split(";")):
        if "CREATE TABLE request" not in statement:  # as it was
            db.execute(statement)
    for seq, id_, topic, class_, refused, public, sealed in db.execute(_EVENTS):
        digest = row_digest("event", (seq, id_, topic, class_, 0, None, refused), public, sealed)
        row = (seq, id_, topic, class_, 0, None, refused, digest, public, sealed)
        db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    for acks in db.execute("SELECT name, upto, missing, acked FROM old_subscriber"):
        db.execute("INSERT INTO subscriber VALUES (?, ?, ?, ?, ?)", (*acks, row_digest("subscriber", acks)))
    for blob in db.execute(_BLOBS) if "blob" in tables else ():
        db.execute(f"INSERT INTO blob VALUES ({', '.join('?' * 12)})", (*blob, blob_digest(blob)))  # noqa: S608
    meta: dict[str, int] = dict(db.execute("SELECT key, value FROM old_meta"))
    for table in tables:
        db.execute(f"DROP TABLE old_{table}")
    return found[0] if found else 0, meta.pop("epoch"), meta


def _from_one(db: sqlite3.Connection, schema: str) -> Brought:
    return _to_three(db, schema, ("event", "subscriber", "meta"))


def _from_two(db: sqlite3.Connection, schema: str) -> Brought:
    return _to_three(db, schema, ("event", "subscriber", "meta", "blob"))


MIGRATIONS: dict[int, Callable[[sqlite3.Connection, str], Brought]] = {1: _from_one, 2: _from_two}
