"""The folder of blobs: one file each, as it is sent (sealed where it is personal), within a cap and a reserve."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from edge.blobs.parts import PartCipher, count_parts, part_sealer
from edge.blobs.rows import StoredBlob
from edge.envelope import BadPayload
from edge.errors import DeviceAttention, StoreError
from edge.events import BlobRef
from edge.state_dir import sync_folder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MEGABYTE = 1_000_000

Buffer = bytes | bytearray | memoryview


class NoRoom(DeviceAttention):
    """A picture is not taken: the disk, or what is set aside for pictures, is full."""

    default_code = "STO-110"
    default_action = "let the back office fetch what waits, or free disk space; then it goes on by itself"


class LostBlob(Exception):
    """The file of an accepted blob is not there any more, or is too short."""


class BlobFiles:
    """Writes, reads and removes the files. Any thread."""

    def __init__(self, folder: Path, max_mb: int, reserve_mb: int) -> None:
        self.folder = folder
        self.bytes = 0
        """What all files hold together."""
        self.limit(max_mb, reserve_mb)
        self._lock = threading.Lock()
        self._doomed: deque[str] = deque()

    def limit(self, max_mb: int, reserve_mb: int) -> None:
        """Use so much of the disk from now on, and leave so much of it free."""
        self._max_bytes, self._reserve_bytes = max_mb * _MEGABYTE, reserve_mb * _MEGABYTE

    def begin(self, known: Iterable[StoredBlob]) -> list[StoredBlob]:
        """Delete files of no accepted event (a crash came first); return the blobs whose file is not whole."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self.folder.parent)  # else a power cut may take the new folder with all that is in it
            kept = {blob.id: blob for blob in known}
            sizes = {path.name: path.stat().st_size for path in self.folder.iterdir()}
            for name in sizes.keys() - kept.keys():
                (self.folder / name).unlink()
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be used ({error.strerror})", code="STO-104") from error
        self.bytes = sum(size for name, size in sizes.items() if name in kept)
        return [blob for blob in kept.values() if sizes.get(blob.id, 0) < blob.stored_bytes]

    def take(self, ref: BlobRef, data: Buffer, part_size: int, key: bytes | None) -> StoredBlob:
        """Write *data* durably, its parts sealed with *key* if there is one; the blob has no event yet.

        Raises :class:`NoRoom`, ``StoreError`` or ``BadPayload``, and leaves nothing behind then.
        """
        parts = count_parts(ref.size, part_size)
        blob = StoredBlob(0, "", ref.id, ref.media_type, ref.size, ref.sha256, part_size, parts, key is not None)
        with memoryview(data) as given, given.cast("B") as plain:
            if plain.nbytes != ref.size:
                raise BadPayload("a blob has another size than its reference says", code="DRV-106")
            self._claim(blob.stored_bytes)
            try:
                self._write(blob, plain, part_sealer(key, ref.id) if key else None)
            except FileExistsError:
                self._release(blob.stored_bytes)
                raise BadPayload("two blobs have one id", code="DRV-106") from None
            except OSError as error:
                self._unlink(blob.id, blob.stored_bytes)
                if error.errno in _FULL:
                    raise NoRoom("there is no room for pictures: the disk is full") from error
                raise StoreError(f"a picture cannot be written ({error.strerror})", code="STO-111") from error
            except BaseException:
                self._unlink(blob.id, blob.stored_bytes)
                raise
        return blob

    def part(self, blob: StoredBlob, number: int) -> bytes:
        """Return a part as it is sent; raises :class:`LostBlob`."""
        offset = number * blob.stride
        wanted = min(blob.stride, blob.stored_bytes - offset)
        try:
            handle = os.open(self.folder / blob.id, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(handle, wanted, offset)
            finally:
                os.close(handle)
        except OSError as error:
            raise LostBlob(error.strerror) from error
        if len(data) < wanted:
            raise LostBlob("too short")
        return data

    def remove(self, blob: StoredBlob) -> None:
        """Remove the file of a blob that was not accepted."""
        self._unlink(blob.id, blob.stored_bytes)

    def doom(self, blobs: Iterable[str]) -> None:
        """Note files to be removed by the next :meth:`sweep`; for threads that must not wait for a disk."""
        self._doomed.extend(blobs)

    def sweep(self) -> None:
        """Remove what was doomed."""
        with contextlib.suppress(IndexError):
            while True:
                name = self._doomed.popleft()
                with contextlib.suppress(OSError):
                    self._unlink(name, (self.folder / name).stat().st_size)

    def _claim(self, size: int) -> None:
        """Count *size* bytes as used, or raise :class:`NoRoom`."""
        self.sweep()
        with self._lock:
            if self.bytes + size > self._max_bytes:
                raise NoRoom(f"there is no room for pictures: {self.bytes // _MEGABYTE} MB wait to be fetched")
            disk = os.statvfs(self.folder)
            if disk.f_bavail * disk.f_frsize - size < self._reserve_bytes:
                raise NoRoom("there is no room for pictures: the rest of the disk is kept for events")
            self.bytes += size

    def _unlink(self, name: str, size: int) -> None:
        with contextlib.suppress(OSError):  # a disk that fails keeps it until the next start, which removes it
            (self.folder / name).unlink()
        self._release(size)

    def _release(self, size: int) -> None:
        with self._lock:
            self.bytes -= size

    def _write(self, blob: StoredBlob, plain: memoryview, seal: PartCipher | None) -> None:
        digest = hashlib.sha256()
        handle = os.open(self.folder / blob.id, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb", buffering=0) as file:
            for number in range(blob.parts):
                with plain[number * blob.part_size : (number + 1) * blob.part_size] as part:
                    digest.update(part)
                    _write_all(file.fileno(), seal(number, part) if seal else part)
            os.fsync(file.fileno())
        if digest.hexdigest() != blob.sha256:
            raise BadPayload("a blob has other content than its reference says", code="DRV-106")
        sync_folder(self.folder)


def _write_all(handle: int, data: bytes | memoryview) -> None:
    with memoryview(data) as rest:
        done = 0
        while done < rest.nbytes:
            done += os.write(handle, rest[done:])
