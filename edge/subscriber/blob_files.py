"""Blobs on the subscriber's disk: parts as they came, and whole files put in place at once.

``{folder}/{blob}.jpg`` is whole, checked and durable. ``{folder}/.partial/{hall}.{window}.{blob}/`` holds the parts
and the manifest of an unfinished one as they crossed the broker, so sealed parts stay sealed until the key is here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.blobs.parts import PartDamaged, part_opener
from edge.subscriber.blob_wire import Manifest, Wanted
from edge.subscriber.errors import BlobFolderError
from edge.subscriber.position import sync_folder

Key = tuple[str, str]
"""Window (``hall/window``) and blob: no window can touch the parts of another one's blob."""

_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/tiff": "tif", "application/pdf": "pdf"}
_PARTIAL = ".partial"
_PLACE = re.compile(r"[a-z0-9-]{1,32}\.[a-z0-9-]{1,32}\.[0-9a-f-]{36}")
_MANIFEST = "manifest"
_WHOLE = "whole"
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Blob:
    """A whole blob: a file that is the reader's from now on. ``size`` and ``sha256`` were checked."""

    path: Path
    media_type: str
    size: int
    sha256: str


class Conflict(Exception):
    """Another file stands in the place of a blob."""


class DamagedParts(Exception):
    """Parts are missing or not what was sent; they were removed and are wanted again."""

    def __init__(self, parts: list[int]) -> None:
        super().__init__(f"{len(parts)} parts")
        self.parts = parts


class BlobFolder:
    """Reads and writes below one folder. Every method may block on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._partial = folder / _PARTIAL

    def begin(self, keep_s: float) -> Iterator[tuple[Key, dict[str, int]]]:
        """Make the folder, remove what was abandoned *keep_s* ago, and yield what is unfinished: names and sizes.

        Raises :class:`BlobFolderError`, also when nothing can be written there.
        """
        try:
            self._partial.mkdir(parents=True, exist_ok=True)
            probe = self._partial / ".probe"
            probe.write_bytes(b"")
            probe.unlink()
            oldest = time.time() - keep_s
            found = [(path, path.stat().st_mtime) for path in self._partial.iterdir() if _PLACE.fullmatch(path.name)]
        except OSError as error:
            raise BlobFolderError(f"{self.folder}: {error.strerror}") from error
        for path, changed in found:
            hall, window, blob = path.name.split(".")
            if changed < oldest:
                shutil.rmtree(path, ignore_errors=True)
            else:
                yield (f"{hall}/{window}", blob), {part.name: part.stat().st_size for part in path.iterdir()}

    def put(self, key: Key, name: str, data: bytes) -> None:
        """Keep a part (or the manifest) of an unfinished blob."""
        place = self._place(key)
        try:
            (place / name).write_bytes(data)
        except FileNotFoundError:
            place.mkdir()
            (place / name).write_bytes(data)

    def manifest(self, key: Key) -> bytes:
        """Return the manifest kept of an unfinished blob; raises ``OSError``."""
        return (self._place(key) / _MANIFEST).read_bytes()

    def drop(self, key: Key, name: str | None = None) -> None:
        """Remove a part, or all there is of an unfinished blob."""
        place = self._place(key)
        if name is None:
            shutil.rmtree(place, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                (place / name).unlink()

    def whole(self, wanted: Wanted) -> Path:
        """Return where the whole blob stands, or will."""
        ref = wanted.ref
        return self.folder / f"{ref.id}.{_SUFFIXES.get(ref.media_type, 'bin')}"

    def assemble(self, key: Key, wanted: Wanted, manifest: Manifest | None) -> Blob:
        """Check and decrypt the parts and put the blob in place, durably, or find it there.

        Raises :class:`DamagedParts`, :class:`Conflict` or ``OSError``.
        """
        path, ref = self.whole(wanted), wanted.ref
        if path.exists():
            if (path.stat().st_size, _sha256(path)) != (ref.size, ref.sha256):
                raise Conflict(path.name)
        elif manifest is None:
            raise DamagedParts([])
        else:
            new = self._place(key) / _WHOLE
            self._join(key, wanted, manifest, new)
            new.replace(path)
            sync_folder(self.folder)
        self.drop(key)
        return Blob(path, ref.media_type, ref.size, ref.sha256)

    def _join(self, key: Key, wanted: Wanted, manifest: Manifest, new: Path) -> None:
        opened = part_opener(wanted.key, wanted.ref.id) if wanted.key else None
        digest, damaged = hashlib.sha256(), list[int]()
        with new.open("wb") as file:
            for number in range(manifest.parts):
                try:
                    data = (self._place(key) / str(number)).read_bytes()
                    if len(data) != manifest.part_bytes(number):
                        raise PartDamaged(f"part {number} has another size")
                    plain = opened(number, data) if opened else data
                except (FileNotFoundError, PartDamaged):
                    damaged.append(number)
                    continue
                digest.update(plain)
                file.write(plain)
            file.flush()
            os.fsync(file.fileno())
        if not damaged and digest.hexdigest() != wanted.ref.sha256:
            damaged = list(range(manifest.parts))
        if damaged:
            for name in (_WHOLE, *map(str, damaged)):
                self.drop(key, name)
            raise DamagedParts(damaged)

    def _place(self, key: Key) -> Path:
        hall, window = key[0].split("/")
        return self._partial / f"{hall}.{window}.{key[1]}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
