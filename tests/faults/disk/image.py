"""A disk as it may be found after a power cut, rebuilt from a log of what a program did to it.

The model is the one that POSIX promises and no more. What a successful ``fsync`` or ``fdatasync`` of a file covered is
there. Any other write may be there, not there, or torn at 512-byte sectors, each apart from the others; a file may have
grown without its data (it reads as zeros then). A name that was made, renamed or removed is sure only once its folder
was synced; a rename is one step. After a sync that failed, what it was to write is gone (the kernel marks such pages as
clean: fsync(2)), whatever a later sync says.

Not modelled: disks that say "synced" when nothing is (a cache without power), disks that damage the sector beside the
one they write, and bits that rot. The first breaks every database; the second is outside SQLite's own assumptions
(powersafe overwrite) too.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk.journal import Record

SECTOR = 512
GROWN_WITHOUT_DATA = 0.3

Image = dict[str, bytes | None]
"""Paths below the folder with what is in the files; ``None`` is a folder."""


class Survival:
    """Decides what of the unsynced survives: each step with the chance *share*, and some of the writes torn."""

    def __init__(self, share: float, rng: random.Random | None = None) -> None:
        self._share, self._rng = share, rng or random.Random(0)

    def step(self) -> bool:
        """Return whether a step that is all or nothing survives."""
        return self._rng.random() < self._share

    def pieces(self, at: int, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield what survives of a write."""
        if self._share in (0, 1) or self._rng.random() < 0.5:
            if self.step():
                yield at, data
            elif 0 < self._share < 1 and self._rng.random() < GROWN_WITHOUT_DATA:
                yield at + len(data), b""
            return
        begin = at
        while begin < at + len(data):
            end = min((begin // SECTOR + 1) * SECTOR, at + len(data))
            if self.step():
                yield begin, data[begin - at : end - at]
            begin = end


NOTHING, EVERYTHING = Survival(0), Survival(1)


@dataclass(slots=True)
class File:
    """What is surely on the disk, and what may be: writes ``(offset, data)`` and new sizes, in order."""

    kept: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)

    def sync(self) -> None:
        self.kept = self.found(EVERYTHING)
        self.pending = []

    def found(self, survival: Survival) -> bytearray:
        data = bytearray(self.kept) if self.pending else self.kept
        for change in self.pending:
            if isinstance(change, int):
                if survival.step():
                    _resize(data, change)
                continue
            for at, piece in survival.pieces(*change):
                if len(data) < at:
                    _resize(data, at)
                data[at : at + len(piece)] = piece
        return data


@dataclass(frozen=True, slots=True)
class Folder:
    path: str


@dataclass(frozen=True, slots=True)
class Naming:
    """A step that gives *thing* the name *new* and takes *old* away, either of which may be missing."""

    folder: str
    old: str | None
    new: str | None
    thing: File | Folder | None

    def apply(self, names: dict[str, File | Folder]) -> None:
        if self.old is not None:
            names.pop(self.old, None)
        if self.new is not None and self.thing is not None:
            names[self.new] = self.thing


def _resize(data: bytearray, size: int) -> None:
    if size < len(data):
        del data[size:]
    else:
        data.extend(bytes(size - len(data)))


class Disk:
    """The folder *root* on a disk; *found* is what was durable there before the log begins."""

    def __init__(self, root: Path, found: Image | None = None) -> None:
        self._root = str(root)
        self._kept: dict[str, File | Folder] = {self._root: Folder(self._root)}
        for name, data in (found or {}).items():
            path = f"{self._root}/{name}"
            self._kept[path] = Folder(path) if data is None else File(bytearray(data))
        self._names = dict(self._kept)
        self._pending: list[Naming] = []
        self._handles: dict[int, File | Folder] = {}

    def do(self, record: Record) -> bool:
        """Take over one step of the log; return whether it changed anything."""
        deed = getattr(self, f"_do_{record.kind.lower()}", None)
        if deed is None:
            return False
        deed(record)
        return record.kind not in "CB"

    def found(self, survival: Survival) -> Image:
        """Return the folder as it may be found after a cut now."""
        names = dict(self._kept)
        for naming in self._pending:
            if survival.step():
                naming.apply(names)
        image: Image = {}
        for path, thing in names.items():
            if path != self._root and isinstance(names.get(os.path.dirname(path)), Folder):  # noqa: PTH120  # a text
                image[path[len(self._root) + 1 :]] = bytes(thing.found(survival)) if isinstance(thing, File) else None
        return image

    # -- steps --------------------------------------------------------------------------------------

    def _do_b(self, _record: Record) -> None:
        self._handles.clear()  # another process

    def _do_o(self, record: Record) -> None:
        thing = self._names.get(record.path)
        if thing is None:
            thing = File()
            self._name(None, record.path, thing)
        elif record.number & os.O_TRUNC and isinstance(thing, File):
            thing.pending.append(0)
        self._handles[record.fd] = thing

    def _do_c(self, record: Record) -> None:
        self._handles.pop(record.fd, None)

    def _do_w(self, record: Record) -> None:
        self._file(record).pending.append((record.number, record.data))

    def _do_t(self, record: Record) -> None:
        self._file(record).pending.append(record.number)

    def _do_s(self, record: Record) -> None:
        thing = self._handles[record.fd]
        if isinstance(thing, File):
            thing.sync()
            return
        for naming in self._pending:
            if naming.folder == thing.path:
                naming.apply(self._kept)
        self._pending = [naming for naming in self._pending if naming.folder != thing.path]

    def _do_f(self, record: Record) -> None:
        thing = self._handles[record.fd]
        if isinstance(thing, File):
            thing.pending = []

    def _do_u(self, record: Record) -> None:
        self._name(record.path, None, None)

    def _do_d(self, record: Record) -> None:
        self._name(None, record.path, Folder(record.path))

    def _do_r(self, record: Record) -> None:
        old, new = record.paths
        self._name(old, new, self._names[old])

    def _file(self, record: Record) -> File:
        thing = self._handles[record.fd]
        assert isinstance(thing, File)
        return thing

    def _name(self, old: str | None, new: str | None, thing: File | Folder | None) -> None:
        naming = Naming(os.path.dirname(new or old or ""), old, new, thing)  # noqa: PTH120  # a text
        assert old is None or os.path.dirname(old) == naming.folder, "renames between folders are not modelled"  # noqa: PTH120
        naming.apply(self._names)
        self._pending.append(naming)


def lay_out(image: Image, folder: Path) -> None:
    """Write *image* into the empty *folder*."""
    for name, data in sorted(image.items()):
        if data is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(data)


def taken(folder: Path) -> Image:
    """Return what is in *folder* now, without what SQLite rebuilds by itself (``-shm``)."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if not path.name.endswith("-shm")
    }
