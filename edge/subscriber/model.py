"""What goes into the sequence core and what comes out; no I/O, no clock, no JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from edge.subscriber.ranges import Pair

FIRST_SEQ = 1
LAST_SEQ = 2**64 - 1
LATE_SEALED = "SUB-111"
"""The sealed view never came, and its store is gone."""
GONE_SEALED = "SUB-112"
"""The daemon no longer has the sealed view; a tombstone came instead."""
GONE_BLOB = "unknown"
"""Why a blob does not come: the window does not have it any more."""
NEW_STORE = "new-store"
"""Why a blob does not come: the window's store was made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a subscriber asks, how long it holds back, and how much it keeps. Seconds and events."""

    ask_after_s: float = 0.5
    """A missing event with a later one already here is named and asked for after this."""
    tail_grace_s: float = 2.0
    """… and after this when only the window's ``head_seq`` says that it exists."""
    ask_every_s: float = 3.0
    """Time between the first two questions; doubles up to ``ask_pause_s``."""
    ask_pause_s: float = 60.0
    ask_chunk: int = 500
    """So many events are asked for at once; the next part when they are here."""
    gap_limit_s: float = 60.0
    """Later events wait this long for a gap; then they go on, and the missing ones are delivered late."""
    max_buffered: int = 1_000
    """So many events of one window wait behind a gap; then they go on too."""
    max_lost_ranges: int = 1_000
    """So many lost ranges of one window are still asked for; then later events wait until some are here."""
    remembered_ids: int = 500
    """So many numbers of one window are remembered with the id of their event, to notice one given twice."""
    went_back_after_s: float = 10.0
    """A window whose live ``health`` is behind what it sent before, twice, so far apart, has an older store."""
    ack_every_s: float = 1.0
    ack_every_events: int = 100
    queue: int = 200
    """So many events wait for the consumer; then nothing more is taken from the broker."""
    blob_ask_after_s: float = 3.0
    """Missing parts of a blob are asked for when none came for so long; doubles up to ``ask_pause_s``."""
    blob_limit_s: float | None = None
    """The wait for a blob ends when nothing of it came for so long; ``None``: only when the window says so."""
    max_blob_mb: float = 1_000
    """Larger blobs are not taken."""
    max_partial_mb: float = 4_000
    """Unfinished blobs may use so much disk; then those of later events are refused, and asked for again."""
    keep_partial_s: float = 3 * 86_400.0
    """Unfinished blobs that nobody waits for are removed after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view of one event, checked and decoded. ``body`` means nothing here."""

    epoch: int
    seq: int
    body: object
    branch: Literal["public", "sealed"] = "public"
    tombstone: bool = False
    sealed: bool = False
    """Public views: a sealed view of the same event exists."""
    bad: str | None = None
    """Sealed views that could not be opened: why."""
    final: bool = False
    """Bad views: another copy would be no better."""
    blob: bool = False
    """The event brings a blob, which is wanted and can be opened: it is complete only with that."""
    id: str = ""
    """The event's id; a tombstone's: of the event it stands for. Empty when it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for the consumer, complete as far as it will ever be."""

    window: str
    epoch: int
    seq: int
    public: object | None = None
    sealed: object | None = None
    tombstone: bool = False
    late: bool = False
    unreadable: str | None = None
    blob: object | None = None
    """What became of its blob."""
    id: str = ""
    turn: int = 0
    """How often the window's store had gone back by then."""
    passed: bool = False
    """Nothing to show: it was delivered before the window's store went back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Missing events ``first`` … ``last`` of a window; reported when named and when over.

    ``state``: ``open``; ``filled`` (all are here); ``gone`` (all answered, ``gone`` of them by a tombstone);
    ``lost`` (``lost`` of them did not come in time; should they come yet, they are delivered as late);
    ``new-store`` (the window's store was made anew, they will never come); ``went-back`` (the window's store is
    an older copy of itself; what it still has comes in a gap of its own).
    """

    window: str
    epoch: int
    first: int
    last: int
    state: Literal["open", "filled", "gone", "lost", "new-store", "went-back"] = "open"
    gone: int = 0
    lost: int = 0

    def __str__(self) -> str:
        name = named(((self.first, self.last),))
        counts = "".join(f", {count} {what}" for count, what in ((self.gone, "gone"), (self.lost, "lost")) if count)
        return f"{self.window} seq {name} {self.state}{counts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStore:
    """A window's store was made anew: its sequence starts again under another epoch."""

    window: str
    epoch: int
    old_epoch: int
    last_seq: int
    """The last event of the old epoch that is complete here; later ones, if there were any, are lost."""
    missing: tuple[Pair, ...] = ()
    """What of the old epoch is known to exist and was not delivered, up to ``last_seq`` and behind it."""

    def __str__(self) -> str:
        missing = f", lost of it: {named(self.missing)}" if self.missing else ""
        return (
            f"{self.window} new store: epoch {self.old_epoch} ended at seq {self.last_seq}{missing}, now {self.epoch}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WentBack:
    """A window's store is an older copy of itself (a restored disk): it gives numbers a second time.

    What it gives anew is delivered, although its numbers were delivered before, under other ids. What it had
    accepted behind ``head`` and nobody got is lost.
    """

    window: str
    epoch: int
    head: int
    """The last number that the older copy is known to have given."""
    last_seq: int
    """The last number known from before."""

    def __str__(self) -> str:
        return f"{self.window} store went back to seq {self.head}: {self.head + 1}-{self.last_seq} are given again"


def named(pairs: tuple[Pair, ...]) -> str:
    """Return *pairs* as a person reads them: ``3, 5-9``."""
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in pairs)


Notice = Gap | NewStore | WentBack
Output = Delivery | Gap | NewStore | WentBack


class Entry:
    """What is here of one event."""

    __slots__ = ("bad", "bad_copies", "blob", "passed", "public", "sealed", "tombstone")

    def __init__(self) -> None:
        self.public: View | None = None
        self.sealed: View | None = None
        self.tombstone: View | None = None
        self.bad: View | None = None
        self.bad_copies = 0
        self.blob: object | None = None
        self.passed = False

    def take(self, view: View) -> bool:
        """Add *view*; false when it says nothing new, or is of another event than what is here."""
        here = self.public or self.sealed
        if here and here.id != view.id and not view.bad and not view.tombstone:
            return False
        if view.bad:
            self.bad, self.bad_copies = view, self.bad_copies + 1
            return self.sealed is None
        slot = "tombstone" if view.tombstone else view.branch
        new = getattr(self, slot) is None
        if new:
            setattr(self, slot, view)
        return new

    def complete(self, *, joins: bool) -> bool:
        """Return whether nothing more is to be expected; *joins*: sealed views are wanted."""
        return self.here(joins=joins) and not self.awaits_blob()

    def awaits_blob(self) -> bool:
        """Return whether a blob is wanted, and nothing became of it yet."""
        return self.blob is None and not (self.tombstone or self.passed) and self._brings_blob()

    def _brings_blob(self) -> bool:
        return any(view.blob for view in (self.public, self.sealed) if view)

    def _blob_outcome(self) -> object | None:
        """Return what became of the blob, also when the wait for it was cut short."""
        if self.blob is not None or not self._brings_blob():
            return self.blob
        return GONE_BLOB if self.tombstone else NEW_STORE

    def here(self, *, joins: bool) -> bool:
        """Return whether the event itself is here, whatever becomes of its blob."""
        if self.tombstone or self.passed:
            return True
        if self.public is None:
            return False
        return not (joins and self.public.sealed) or self.sealed is not None or self._hopeless()

    def _hopeless(self) -> bool:
        """A damaged view gets a second chance (damage on the way heals), one for other keys does not."""
        return self.bad is not None and (self.bad.final or self.bad_copies > 1)

    def delivery(self, at: Delivery, *, joins: bool) -> Delivery | None:
        """Return *at* with the best that can be made of what is here; ``None``: nothing that could be shown."""
        shown = self.public or self.sealed or self.tombstone
        if self.passed:
            return replace(at, passed=True, id=self.public.id if self.public else "")
        if shown is None:
            return None
        unreadable = None
        if joins and shown.sealed and self.sealed is None:
            unreadable = (self.bad and self.bad.bad) or (GONE_SEALED if self.tombstone else LATE_SEALED)
        return replace(
            at,
            public=self.public.body if self.public else shown.body if shown is self.tombstone else None,
            sealed=self.sealed.body if self.sealed else None,
            tombstone=shown is self.tombstone,
            unreadable=unreadable,
            blob=self._blob_outcome(),
            id="" if shown is self.tombstone else shown.id,
        )
