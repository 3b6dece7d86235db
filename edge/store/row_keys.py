"""Keys of rows: what a sensitive row holds is encrypted once more, and destroying its key destroys every copy of it.

A row's sealed view may outlive the row: in the WAL, in freed blocks of the disk. So it is stored under a random
AES-256 key of its own, which stands in a slot of one small file and is overwritten, and synced, as soon as the row
is confirmed or has expired. A blob's key stands nowhere but in such a view, and goes with it.

Keys are made in advance, a chunk at a time: a commit finds them on the disk already and needs no sync of its own.
At the start every slot that no row names is wiped: spare keys, and those of rows that were never committed. On
flash, and on file systems that copy on write, an overwritten block may survive below the file system: there only
the encryption of the whole disk helps.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections import deque
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.blobs.parts import KEY_BYTES
from edge.errors import StoreError
from edge.state_dir import sync_folder
from edge.store.room import NotTaken
from edge.store.row_digest import DIGEST_BYTES, row_digest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAGIC = b"hall-edge key 1\0"
SLOT_BYTES = len(_MAGIC) + KEY_BYTES + DIGEST_BYTES  # 64
CHUNK = 64
"""So many keys are made at a time: 4 KiB, one write and one sync."""
_LOW = CHUNK // 4
_NONCE = bytes(12)  # a key encrypts one view and is never used again

CODES = {"STO-125": "the keys of sensitive events cannot be written or read"}


class KeysFailed(StoreError):
    """The file of keys does not work: as fatal as the store's own."""

    default_code = "STO-125"


class KeyLost(Exception):
    """A row's key is not there any more, or not what was written, or not the row's."""


class RowKeys:
    """The slots of one store. Used in the store's thread only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._slots = 0
        self._free: list[int] = []
        self._spare: deque[tuple[int, bytes]] = deque()
        self._taken: list[int] = []
        self._doomed: list[int] = []
        self._owners: dict[int, int | None] = {}
        """Which row each key belongs to, as first heard: what a damaged row says of its slot destroys nothing."""

    def begin(self, used: Iterable[tuple[int, int]]) -> None:
        """Wipe every key but those *used*, each by its slot and its row; raises :class:`KeysFailed`."""
        for slot, seq in used:
            self._owners[slot] = None if slot in self._owners else seq  # two claim it: nobody may destroy it
        try:
            if self._path.exists():
                self._open()
                self._free = [slot for slot in range(self._slots) if slot not in self._owners]
                # Whatever it reads as: a sync that failed may have left the key on the disk, and zeros in memory.
                self._blank(self._free)
        except OSError as error:
            raise _failed(error) from error

    def seal(self, seq: int, id_: str, view: bytes) -> tuple[int, bytes]:
        """Return a slot, and *view* encrypted with the key in it; raises :class:`KeysFailed`, or ``NotTaken``."""
        if not self._spare:
            self.refill()
        slot, key = self._spare.popleft()
        self._taken.append(slot)
        self._owners[slot] = seq
        return slot, _cipher(key).encrypt(_NONCE, view, _bound(seq, id_))

    def opened(self, slot: int, seq: int, id_: str, stored: bytes) -> bytes:
        """Return the view that :meth:`seal` has encrypted; raises :class:`KeyLost`, or :class:`KeysFailed`."""
        from cryptography.exceptions import InvalidTag  # heavy, not always needed

        if self._handle is None:
            raise KeyLost("there are no keys")
        try:
            found = os.pread(self._handle, SLOT_BYTES, slot * SLOT_BYTES)
        except OSError as error:
            raise _failed(error) from error
        key = found[len(_MAGIC) : len(_MAGIC) + KEY_BYTES]
        if found != _slot(slot, key):
            raise KeyLost("the key is damaged")
        try:
            view = _cipher(key).decrypt(_NONCE, stored, _bound(seq, id_))
        except InvalidTag:
            raise KeyLost("the key is another row's") from None
        return view

    def release(self, rows: Iterable[tuple[int | None, int]]) -> None:
        """Note the keys of rows that this transaction deletes, each by its slot and the row."""
        self._doomed += [slot for slot, seq in rows if slot is not None and self._owners.get(slot) == seq]

    def committed(self) -> None:
        """Destroy what was released: the transaction is durable. Raises :class:`KeysFailed`."""
        self._taken.clear()
        if not self._doomed:
            return
        try:
            self._blank(self._doomed)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # copy on write: when there is room again
                raise _failed(error) from error
            return
        for slot in self._doomed:
            self._owners.pop(slot, None)
        self._free += self._doomed
        self._doomed = []

    def rolled_back(self, doomed: int) -> None:
        """Forget what was released since :meth:`mark` said *doomed*; a key that was taken is never used again."""
        del self._doomed[doomed:]
        self._doomed += self._taken  # what it has encrypted may stand in the WAL already
        self._taken.clear()

    def mark(self) -> int:
        """Return what :meth:`rolled_back` needs to know of the time before a transaction."""
        return len(self._doomed)

    @property
    def low(self) -> bool:
        """Whether it is time to :meth:`refill`; never in a store that has wanted no key yet."""
        return self._handle is not None and self._slots > 0 and len(self._spare) < _LOW

    def refill(self) -> None:
        """Make a chunk of keys; raises :class:`KeysFailed`, or ``NotTaken`` when the disk is full."""
        try:
            handle = self._open()
            slots, self._free = self._free[:CHUNK], self._free[CHUNK:]
            fresh = range(self._slots, self._slots + CHUNK - len(slots))
            made = [(slot, secrets.token_bytes(KEY_BYTES)) for slot in (*slots, *fresh)]
            try:
                _write_slots(handle, ((slot, _slot(slot, key)) for slot, key in made))
                os.fdatasync(handle)
            except OSError:
                self._free += slots
                raise
            self._slots = max(self._slots, fresh.stop)
            self._spare.extend(made)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NotTaken("there is no room for events: the disk is full") from error
            raise _failed(error) from error

    def close(self, *, wipe: bool) -> None:
        """Close the file; *wipe* the spare keys before, as far as the disk allows: not when the store has failed."""
        if self._handle is None:
            return
        try:
            if wipe:
                with contextlib.suppress(OSError):  # then the next start does it
                    self._blank([*self._doomed, *(slot for slot, _ in self._spare)])
        finally:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        if self._handle is None:
            handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                sync_folder(self._path.parent)  # its name, also when an earlier try has made it and could not sync that
                self._slots = -(-os.fstat(handle).st_size // SLOT_BYTES)
            except BaseException:
                os.close(handle)
                raise
            self._handle = handle
        return self._handle

    def _blank(self, slots: Collection[int]) -> None:
        if slots:
            handle = self._open()
            _write_slots(handle, ((slot, bytes(SLOT_BYTES)) for slot in slots))
            os.fdatasync(handle)


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # heavy, not always needed

    return AESGCM(key)


def _bound(seq: int, id_: str) -> bytes:
    return f"{id_}/{seq}".encode()


def _slot(slot: int, key: bytes) -> bytes:
    """Return the bytes of a slot: what it is, its key, its check value."""
    return _MAGIC + key + row_digest("key", (slot,), key)


def _write_slots(handle: int, slots: Iterable[tuple[int, bytes]]) -> None:
    """Write *slots*; those that lie side by side in one piece."""
    runs: list[tuple[int, bytearray]] = []
    for slot, data in sorted(slots):
        if runs and runs[-1][0] + len(runs[-1][1]) // SLOT_BYTES == slot:
            runs[-1][1].extend(data)
        else:
            runs.append((slot, bytearray(data)))
    for slot, run in runs:
        _write(handle, run, slot * SLOT_BYTES)


def _write(handle: int, data: bytearray, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(handle, data[done:], offset + done)


def _failed(error: OSError) -> KeysFailed:
    return KeysFailed(f"the keys of sensitive events cannot be used ({error.strerror})")
