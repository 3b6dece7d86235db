"""The outbox's file: its format, and how it is opened, put aside when damaged, and told apart by epoch."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from edge.blobs.rows import SCHEMA as BLOBS
from edge.errors import StoreError
from edge.state_dir import write_safely

SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL,
                    class INTEGER NOT NULL, accepted REAL NOT NULL, public BLOB NOT NULL, sealed BLOB,
                    refused INTEGER);
CREATE TABLE subscriber (name TEXT PRIMARY KEY, upto INTEGER NOT NULL, missing TEXT NOT NULL, acked REAL);
CREATE TABLE request (id TEXT PRIMARY KEY, received REAL NOT NULL, completion BLOB);
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_MIGRATIONS = {1: BLOBS}
"""What leads from a format to the next one."""
_EPOCH_ZERO = 1_577_836_800  # 2020-01-01: an epoch is seconds since then, so that it fits 31 bits


class Store(NamedTuple):
    """An open store: its connection, epoch and last ``seq``, and how many rows are kept and refused."""

    db: sqlite3.Connection
    epoch: int
    head: int
    depth: int
    refused: int


def open_store(path: Path) -> Store:
    """Return the store at *path*, made when there is none.

    A damaged file is put aside as ``*.damaged-{time}``, never deleted, and a new store with a higher epoch takes
    its place. Raises ``StoreError`` (written by a newer version), ``OSError`` or ``sqlite3.Error``.
    """
    try:
        return _open_file(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        put_aside(path)
        return _open_file(path)


def is_damage(error: Exception) -> bool:
    """Return whether *error* says that the file's content is damaged (and not that it cannot be written now)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def put_aside(path: Path) -> None:
    """Rename a damaged store, so that a new one can begin; what is in it can still be looked at."""
    aside = f"{path.name}.damaged-{time.time_ns()}"
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(path.with_name(aside + suffix))


def _open_file(path: Path) -> Store:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -512")  # KiB; the default of 2 MiB gains nothing here
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path} was written by a newer hall-edge (format {version})",
                code="STO-103",
                action="install that version again; nothing was changed",
            )
        if version == 0:
            epoch = _next_epoch(path.with_name("epoch"))
            began = f"INSERT INTO meta VALUES ('epoch', {epoch}); PRAGMA user_version = {SCHEMA_VERSION};"  # noqa: S608  # numbers
            db.executescript(f"BEGIN; {_SCHEMA} {BLOBS} {began} COMMIT")
        for old in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
            db.executescript(f"BEGIN; {_MIGRATIONS[old]} PRAGMA user_version = {old + 1}; COMMIT")
        epoch = get_meta(db, "epoch")
        _keep_epoch(path.with_name("epoch"), epoch)
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        # looks at every row, so that most damage is found here: 0.1 s for 100,000 events
        depth, refused = db.execute("SELECT count(*), count(refused) FROM event").fetchone()
    except BaseException:
        db.close()
        raise
    return Store(db, epoch, row[0] if row else 0, depth, refused)


def _next_epoch(file: Path) -> int:
    """Return an epoch above every earlier one of this window, even with a wrong clock."""
    now = max(int(time.time()) - _EPOCH_ZERO, 1)
    with contextlib.suppress(OSError, ValueError):
        return max(now, int(file.read_text(encoding="ascii")) + 1)
    return now


def _keep_epoch(file: Path, epoch: int) -> None:
    with contextlib.suppress(OSError):
        if file.read_bytes() == str(epoch).encode():
            return
    write_safely(file, str(epoch).encode())


def get_meta(db: sqlite3.Connection, key: str) -> int:
    """Return a number the store keeps under *key*, 0 when there is none."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row else 0


def set_meta(db: sqlite3.Connection, key: str, value: int) -> None:
    """Keep a number under *key*."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def why(error: Exception) -> str:
    """Return a short reason for a store's error, without paths or values."""
    return str(getattr(error, "sqlite_errorname", None) or getattr(error, "strerror", None) or type(error).__name__)
