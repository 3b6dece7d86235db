"""An outbox of a test's own, on a real file, with rows that are quick to make."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.envelope import uuid7
from edge.errors import StoreError
from edge.store.outbox import Outbox, Row
from tests.support.project import ROOT

TOPIC = "code-scanner/gun-1/scanned"
PAD_TOPIC = "evaluation-pad/pad-1/rated"
PAD = "pad:"
"""A draft that begins so belongs to another device."""
SEALED = "sealed:"
"""A draft that begins so gets a sealed view too."""
SENSITIVE = "sensitive:"
"""A draft that begins so is of class 3: its sealed view, the text itself here, is stored under a key of its own."""


def render(draft: Any, seq: int, _epoch: int) -> Row:
    """Make a row of *draft*, a text; an exception among the drafts is raised, as a driver's bug would be."""
    if isinstance(draft, Exception):
        raise draft
    sealed = b"{}" if draft.startswith(SEALED) else None
    topic = PAD_TOPIC if draft.startswith(PAD) else TOPIC
    if draft.startswith(SENSITIVE):
        return Row(seq, uuid7(time.time_ns()), topic, 3, b"public", draft.encode())
    return Row(seq, uuid7(time.time_ns()), topic, 1, draft.encode(), sealed)


class Desk:
    """An open outbox with what it told: accepted rows in order, one list a transaction, and its failures."""

    def __init__(self, path: Path, subscribers: Sequence[str] = (), **more: Any) -> None:
        self.groups: list[list[Row]] = []
        self.failures: list[StoreError] = []
        self.outbox = Outbox(path, render, lambda rows: self.groups.append(list(rows)), subscribers, **more)
        self.outbox.on_failure = self.failures.append
        self.outbox.open()

    @property
    def accepted(self) -> list[Row]:
        return [row for group in self.groups for row in group]

    def commit(self, *drafts: Any) -> list[int]:
        """Commit *drafts* together and return their seqs."""
        return [row.seq for row in self.outbox.commit(drafts)]

    def seqs(self) -> list[int]:
        """Return the seqs of all rows that are still kept."""
        return [row.seq for row in self.outbox.between(0, 1 << 60).result()]

    def figures(self) -> tuple[int, int]:
        """Return how many rows there are and how many of them are refused, counted in the file."""
        count = "SELECT count(*), count(refused) FROM event"
        kept, refused = self.outbox.call(lambda db: db.execute(count).fetchone()).result()
        return kept, refused


@contextmanager
def opened(path: Path, *subscribers: str, **more: Any) -> Iterator[Desk]:
    desk = Desk(path, subscribers, **more)
    try:
        yield desk
    finally:
        desk.outbox.close()


class Gate:
    """A call that keeps the store's thread, and its transaction, until it is opened."""

    def __init__(self, outbox: Outbox) -> None:
        self.inside, self._opened = threading.Event(), threading.Event()
        self._call = outbox.call(self._wait)

    def _wait(self, _db: object) -> bool:
        self.inside.set()
        return self._opened.wait(10)

    def open(self) -> None:
        self._opened.set()
        assert self._call.result(5)


@contextmanager
def busy(outbox: Outbox) -> Iterator[None]:
    """Keep the store's thread busy while the block runs, so that all that is submitted becomes one group."""
    gate = Gate(outbox)
    assert gate.inside.wait(5)
    try:
        yield
    finally:
        gate.open()


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start *code* in a Python of its own; what it prints comes by its stdout."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
