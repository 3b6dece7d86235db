"""The outbox's file: its format, how it is opened and brought up to date, and told apart by epoch."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from edge.blobs.rows import SCHEMA as BLOBS
from edge.errors import StoreError
from edge.state_dir import write_safely
from edge.store.formats import MIGRATIONS
from edge.store.marks import read_marks
from edge.store.row_digest import row_digest
from edge.wal_frames import read_wal

FORMAT = 3
SCHEMA = f"""
CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL,
                    class INTEGER NOT NULL, born INTEGER NOT NULL, slot INTEGER, refused INTEGER,
                    digest BLOB NOT NULL, public BLOB NOT NULL, sealed BLOB);
CREATE TABLE tombstone (seq INTEGER PRIMARY KEY, reason TEXT NOT NULL, born INTEGER NOT NULL, id TEXT, type TEXT,
                        digest BLOB NOT NULL);
CREATE TABLE subscriber (name TEXT PRIMARY KEY, upto INTEGER NOT NULL, missing TEXT NOT NULL, acked REAL,
                         digest BLOB NOT NULL);
CREATE TABLE request (id TEXT PRIMARY KEY, received REAL NOT NULL, completion BLOB);
CREATE TABLE nonce (id TEXT PRIMARY KEY, until REAL NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL, digest BLOB NOT NULL);
{BLOBS}"""
"""``born`` is in milliseconds of the age clock (``edge.store.retention``), ``slot`` the row's own key
(``edge.store.row_keys``)."""
_SET_META = """INSERT INTO meta VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, digest = excluded.digest"""
_EPOCH_ZERO = 1_577_836_800  # 2020-01-01: an epoch is seconds since then, so that it fits 31 bits
_WAL_PART_BYTES = 1 << 18
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT})

_HEAD_VERSIONS = ((1, 2), (1, 2), (0, 4), (0, 1))

_MOST_LOST = 1000

CODES = {
    "STO-101": "the store cannot be opened",
    "STO-102": "the store is closed",
    "STO-103": "the store was written by a newer version",
}


class Damaged(sqlite3.DatabaseError):
    """The file is not what was written."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.sqlite_errorname = f"damaged: {what}"


class Store(NamedTuple):
    """An open store: its connection, epoch and last ``seq``."""

    db: sqlite3.Connection
    epoch: int
    head: int


def is_damage(error: Exception) -> bool:
    """Return whether *error* says that the file's content is damaged (and not that it cannot be written now)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_damage_at_start(error: Exception) -> bool:
    """Return whether *error*, raised while opening, comes of the file's content: nothing else is asked of it yet."""
    if isinstance(error, UnicodeDecodeError):  # SQLite quotes a damaged schema
        return True
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 1) & 0xFF in _DAMAGE


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that keeps what a commit says, shares the file with nobody, and blanks what it deletes.

    A page that is freed as a whole is not written for that: it holds nothing personal that this PC could open.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # its WAL gets the same mode
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.text_factory = functools.partial(str, encoding="utf-8", errors="replace")  # damage is found by the digest
        # The index of the WAL is in memory then: no -shm file, whose pages a full disk turns into a SIGBUS.
        db.execute("PRAGMA page_size = 4096")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = FAST")
        db.execute("PRAGMA cache_size = -512")  # KiB; the default of 2 MiB gains nothing here
    except BaseException:
        db.close()
        raise
    return db


def open_file(path: Path) -> Store:
    """Return the store in the file *path*, made or brought up to date where needed.

    Raises ``StoreError`` (written by a newer version), ``OSError`` or ``sqlite3.Error``.
    """
    check_header(path)
    _write_again(path.with_name(f"{path.name}-wal"))
    if read_wal(path).rotten:
        raise Damaged("its WAL")
    db = connect(path)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT and _known(db, "format") != FORMAT:
            raise StoreError(
                f"{path} was written by a newer hall-edge (format {version})",
                code="STO-103",
                action="install that version again; nothing was changed",
            )
        if version == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            make(db, next_epoch(path))
        elif version != FORMAT:
            _migrate(db, version)
        _check(db)
        # What an earlier run could not sync into the file is written anew, before anything is built upon it.
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        epoch = get_meta(db, "epoch")
        _keep_epoch(path, epoch)
    except BaseException:
        db.close()
        raise
    return Store(db, epoch, _head(db))


def _write_again(wal: Path) -> None:
    """Write a WAL that an earlier run left once more, byte for byte, and sync it.

    After a sync that failed the kernel may show pages that are not on the disk and never will be (fsync(2)): SQLite
    would recover them, copy them into the file, and a power cut in the middle of that would find a WAL with holes.
    """
    with contextlib.suppress(FileNotFoundError), wal.open("r+b", buffering=0) as file:
        while part := file.read(_WAL_PART_BYTES):
            file.seek(-len(part), os.SEEK_CUR)
            file.write(part)
        os.fsync(file.fileno())


def make(db: sqlite3.Connection, epoch: int) -> None:
    """Make an empty store."""
    db.executescript(f"BEGIN IMMEDIATE; {SCHEMA}")
    for key, value in {"format": FORMAT, "epoch": epoch}.items():
        set_meta(db, key, value)
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def _migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring the format *version* up to date, in one transaction."""
    if version not in MIGRATIONS or _known(db, "format") == FORMAT:
        raise Damaged("its format")
    db.execute("BEGIN IMMEDIATE")
    head, epoch, rest = MIGRATIONS[version](db, SCHEMA)
    db.execute("DELETE FROM sqlite_sequence")
    db.execute("INSERT INTO sqlite_sequence VALUES ('event', ?)", (head,))
    for key, value in {"format": FORMAT, "epoch": epoch, **rest}.items():
        set_meta(db, key, value)
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def check_header(path: Path) -> None:
    """Raise :class:`Damaged` when the file's first bytes are not those of a store (SQLite's file format, 1.3)."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        return
    if not head:
        return
    constants = (head[:18], head[20:24], head[44:47], head[52:59], head[64:68], head[72:92])
    wanted = (b"SQLite format 3\0\x10\0", b"\0\x40\x20\x20", bytes(3), bytes(7), bytes(4), bytes(20))
    versions = (head[18], head[19], head[47], head[59])  # of file (WAL: 2), schema, encoding; 0: nothing in it yet
    if constants != wanted or any(one not in right for one, right in zip(versions, _HEAD_VERSIONS, strict=True)):
        raise Damaged("its header")


@functools.cache
def _schema() -> frozenset[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        return _schema_of(db)


def _schema_of(db: sqlite3.Connection) -> frozenset[tuple[str, ...]]:
    return frozenset(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def _check(db: sqlite3.Connection) -> None:
    """Raise :class:`Damaged` unless everything is as it was written, but for what stands in rows."""
    if _schema_of(db) != _schema():
        raise Damaged("its schema")
    said = db.execute("PRAGMA integrity_check(1)").fetchone()[0]  # 0.1 s for 100,000 events
    if said != "ok":
        raise Damaged("its structure")
    if any(_known(db, key) is None for key in ("format", "epoch")):
        raise Damaged("what it knows of itself")


def _head(db: sqlite3.Connection) -> int:
    """Return the last ``seq`` given out.

    SQLite keeps it, but without a check value; so it is compared with what the tables tell. Their rows leave only
    when somebody is known to have them, so they tell the same; but where the newest row is lost, SQLite's is right.
    """
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    uptos = [mark.upto for mark in read_marks(db).values()]
    newest = db.execute("SELECT max(seq) FROM event UNION ALL SELECT max(seq) FROM tombstone")
    return newest_seq(found[0] if found else 0, [*(seq or 0 for (seq,) in newest), *uptos, get_meta(db, "brokered")])


def newest_seq(counted: int, told: Iterable[int]) -> int:
    """Return the last ``seq`` given out, from SQLite's own count and from what rows and subscribers tell."""
    least = max(told, default=0)
    return counted if least <= counted <= least + _MOST_LOST else least


def next_epoch(path: Path) -> int:
    """Return an epoch above every earlier one of this window, even with a wrong clock."""
    now = max(int(time.time()) - _EPOCH_ZERO, 1)
    kept = kept_epoch(path)
    return now if kept is None else max(now, kept + 1)


def kept_epoch(path: Path) -> int | None:
    """Return the epoch of the store at *path* as the file beside it says; ``None``: it does not."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.with_name("epoch").read_text(encoding="ascii"))
    return None


def _keep_epoch(path: Path, epoch: int) -> None:
    if kept_epoch(path) != epoch:
        write_safely(path.with_name("epoch"), str(epoch).encode())


def get_meta(db: sqlite3.Connection, key: str) -> int:
    """Return a number the store keeps under *key*; 0 when there is none, or a damaged one."""
    return _known(db, key) or 0


def _known(db: sqlite3.Connection, key: str) -> int | None:
    try:
        row = db.execute("SELECT value, digest FROM meta WHERE key = ?", (key,)).fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return None  # no such table or column: of an older format, or none at all
    return row[0] if row and row[1] == row_digest("meta", (key, row[0])) else None


def set_meta(db: sqlite3.Connection, key: str, value: int) -> None:
    """Keep a number under *key*."""
    db.execute(_SET_META, (key, value, row_digest("meta", (key, value))))


def why(error: Exception) -> str:
    """Return a short reason for a store's error, without paths or values."""
    return str(getattr(error, "sqlite_errorname", None) or getattr(error, "strerror", None) or type(error).__name__)
