"""What must be in a store that comes back after a cut: learned from the marks a program left while it wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from edge.blobs.files import LostBlob
from edge.errors import EdgeError
from edge.store.outbox import Row
from tests.faults.disk.rig import Store, digest_of, ticket

Look = Callable[[Store], list[str]]
_POSITIONS = "SELECT name, upto FROM subscriber"


class Marks(Protocol):
    """Where a program's promises go: into the disk's log, or to whoever waits for the end of its process."""

    def mark(self, what: str, **about: Any) -> None: ...


def rendered_to(marks: Marks | None) -> Callable[[Row], None]:
    """Return what marks a row in its transaction, before anything of it is written."""

    def rendered(row: Row) -> None:
        if marks is not None:
            marks.mark("rendered", seq=row.seq, id_=row.id, digest=digest_of(row))

    return rendered


def mark_accepted(marks: Marks | None, row: Row, blob: str | None = None) -> None:
    """Mark a row whose commit has returned."""
    if marks is not None:
        marks.mark("accepted", seq=row.seq, id_=row.id, digest=digest_of(row), blob=blob)


@dataclass
class Truth:
    """Grows mark by mark; at any moment it says what a cut at this moment must not change."""

    epoch: int = 0
    given: dict[int, set[tuple[str, str]]] = field(default_factory=dict)
    """For every seq what was ever rendered with it: id and digest."""
    accepted: dict[int, tuple[str, str]] = field(default_factory=dict)
    releasing: set[int] = field(default_factory=set)
    """May be gone: their confirmation has begun."""
    released: set[int] = field(default_factory=set)
    """Must be gone: their confirmation has returned."""
    refused: dict[int, int] = field(default_factory=dict)
    blobs: dict[int, str] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)

    def hear(self, mark: dict[str, Any]) -> None:
        """Take over one mark."""
        getattr(self, f"_{mark['what']}")(**{key: value for key, value in mark.items() if key != "what"})

    @property
    def head(self) -> int:
        """The last seq that was accepted."""
        return max(self.accepted, default=0)

    def _opened(self, epoch: int) -> None:
        self.epoch = epoch

    def _rendered(self, seq: int, id_: str, digest: str) -> None:
        self.given.setdefault(seq, set()).add((id_, digest))

    def _accepted(self, seq: int, id_: str, digest: str, blob: str | None = None) -> None:
        self.accepted[seq] = (id_, digest)
        if blob is not None:
            self.blobs[seq] = blob

    def _releasing(self, seqs: list[int]) -> None:
        self.releasing.update(seqs)

    def _released(self, seqs: list[int], office: str, upto: int) -> None:
        self.released.update(seqs)
        self.positions[office] = max(upto, self.positions.get(office, 0))

    def _refused(self, seq: int, reason: int) -> None:
        self.refused.setdefault(seq, reason)


def nothing_more(_store: Store) -> list[str]:
    """Look at nothing else."""
    return []


def problems(folder: Path, truth: Truth, marks: Marks | None = None, more: Look = nothing_more) -> list[str]:
    """Open the store in *folder* as the daemon would, go on with it, and return what is not as *truth* says.

    *marks* hear of the one event that is accepted to see how it goes on; *more* looks at what else there must be.
    """
    try:
        store = Store(folder, rendered_to(marks))
    except EdgeError as error:
        return [f"it does not open: {error}"]
    try:
        found = store.rows()
        wrong = [*_rows(found, truth), *_counts(store, found), *_notes(store, found, truth)]
        wrong += [*_blobs(store, found, truth), *more(store), *_goes_on(store, truth, marks)]
        wrong += [f"put aside as damaged: {path.name}" for path in folder.glob("*.damaged-*")]
    except EdgeError as error:
        return [f"it ends: {error}"]
    finally:
        store.close()
    return wrong


def _rows(found: list[Row], truth: Truth) -> list[str]:
    present = {row.seq: (row.id, digest_of(row)) for row in found}
    wrong = [f"seq {seq} was never given" for seq in present.keys() - truth.given.keys()]
    wrong += [f"seq {seq} is lost" for seq in truth.accepted.keys() - truth.releasing - present.keys()]
    wrong += [f"seq {seq} came back" for seq in present.keys() & truth.released]
    for seq, what in present.items():
        right = {truth.accepted[seq]} if seq in truth.accepted else truth.given.get(seq, {what})
        if what not in right:
            wrong.append(f"seq {seq} is another event")
    return wrong


def _counts(store: Store, found: list[Row]) -> list[str]:
    counted = (len(found), sum(row.refused is not None for row in found))
    told = (store.outbox.depth, store.outbox.refused)
    check = store.outbox.call(lambda db: db.execute("PRAGMA quick_check").fetchone()[0]).result()
    return [] if counted == told and check == "ok" else [f"counts {told} for {counted} rows, {check}"]


def _notes(store: Store, found: list[Row], truth: Truth) -> list[str]:
    kept = {row.seq: row.refused for row in found}
    wrong = [
        f"seq {seq} was refused with {reason}, and is {kept[seq]}"
        for seq, reason in truth.refused.items()
        if seq in kept and kept[seq] != reason
    ]
    positions = dict(store.outbox.call(lambda db: db.execute(_POSITIONS).fetchall()).result())
    wrong += [f"{name} goes back" for name, upto in truth.positions.items() if positions.get(name, 0) < upto]
    if truth.epoch not in (0, store.outbox.epoch):
        wrong.append(f"epoch {truth.epoch} became {store.outbox.epoch}")
    return wrong


def _blobs(store: Store, found: list[Row], truth: Truth) -> list[str]:
    wrong = [f"the blob of seq {blob.seq} is not whole" for blob in store.lost if blob.seq not in truth.releasing]
    for seq in {row.seq for row in found} & truth.blobs.keys():
        blob = store.blob_of(seq)
        try:
            if blob is None or store.blob_digest(blob) != truth.blobs[seq]:
                wrong.append(f"the blob of seq {seq} is another one")
        except LostBlob:
            wrong.append(f"the blob of seq {seq} is lost")
    return wrong


def _goes_on(store: Store, truth: Truth, marks: Marks | None) -> list[str]:
    head, accepted = store.outbox.head, truth.head
    ids = {id_ for pairs in truth.given.values() for id_, _ in pairs}
    row = store.accept(ticket(0))
    mark_accepted(marks, row)
    if row.seq != head + 1 or row.seq <= accepted or row.id in ids:
        return [f"seq {row.seq} is given after {head}, {accepted} was accepted"]
    return []
