"""The position file: what the consumer has processed, safe before it is acknowledged."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from edge.subscriber.errors import PositionError
from edge.subscriber.marks import Mark
from edge.subscriber.ranges import Ranges


class _Window(msgspec.Struct, omit_defaults=True):
    epoch: int
    upto_seq: str
    missing: list[tuple[str, str]] = []
    upto_id: str = ""
    earlier: list[_Window] = []


class _File(msgspec.Struct):
    version: Literal[1]
    subscriber: str
    windows: dict[str, _Window]


class PositionFile:
    """One JSON file for all windows of one subscriber; replaced as a whole, so it is never half written."""

    def __init__(self, path: Path, subscriber: str) -> None:
        self.path, self.subscriber = path, subscriber

    def read(self) -> dict[str, Mark]:
        """Return the marks by window; none when the file does not exist; raises :class:`PositionError`.

        Also proves that the file can be written, so that a wrong path is found at the start.
        """
        if not self.path.exists():
            self.write({})
            return {}
        try:
            file = msgspec.json.decode(self.path.read_bytes(), type=_File)
            marks = {window: _mark(entry) for window, entry in file.windows.items()}
        except (msgspec.MsgspecError, ValueError):
            raise PositionError(f"{self.path} is no position file") from None
        except OSError as error:
            raise PositionError(f"{self.path}: {error.strerror}") from error
        if file.subscriber != self.subscriber:
            raise PositionError(
                f"{self.path} belongs to subscriber {file.subscriber}",
                action="give each subscriber a file of its own",
            )
        self.write(marks)
        return marks

    def write(self, marks: Mapping[str, Mark]) -> None:
        """Replace the file, durably; blocks for a few milliseconds; raises :class:`PositionError`."""
        windows = {window: _entry(mark) for window, mark in sorted(marks.items())}
        content = msgspec.json.encode(_File(1, self.subscriber, windows))
        new = self.path.with_name(self.path.name + ".new")
        try:
            with new.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise PositionError(f"{self.path}: {error.strerror}") from error


def _entry(mark: Mark) -> _Window:
    missing = [(str(low), str(high)) for low, high in mark.missing]
    earlier = [_entry(before) for before in mark.earlier]
    return _Window(mark.epoch, str(mark.upto), missing, mark.upto_id, earlier)


def _mark(entry: _Window) -> Mark:
    missing = Ranges((int(low), int(high)) for low, high in entry.missing)
    earlier = tuple(_mark(before) for before in entry.earlier)
    return Mark(entry.epoch, int(entry.upto_seq), missing, entry.upto_id, earlier)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in *folder* durable."""
    if os.name != "posix":  # elsewhere a folder cannot be opened; the rename is as durable as the system makes it
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
