"""One card on the reader: read it as one unit, and see when it leaves."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from drivers import _sdt_sam as sam
from drivers import _sdt_status as status
from drivers._sdt_frame import Answer
from drivers._sdt_sam import GarbledError, Sam, SilentError
from drivers._sdt_status import Next
from edge.events import Advice, CardRejection

RESTARTS = {Next.RESTART: 2, Next.NOTHING: 2, Next.RESTART_ONCE: 1, Next.TEXT_ONLY: 1}
BROKEN_RESTARTS = 1
ALL_RESTARTS = 3
BUDGET_S = 7.0
"""No restart is begun later than this: a card that takes longer is laid again."""
MISSES = 2
UNCLEAR = 3

Seen = Literal["same", "gone", "other"]


@dataclass(frozen=True, repr=False)
class Taken:
    """A card's whole answer to one read command."""

    data: bytes
    with_fingerprints: bool

    def mark(self) -> bytes:
        """Return what tells this card from another and says nothing about it."""
        start = 6 if self.with_fingerprints else 4
        text = self.data[start : start + int.from_bytes(self.data[:2], "big")]
        return hashlib.blake2b(text, digest_size=16).digest()


@dataclass(frozen=True)
class Refused:
    """A card that was given up, and the reader's last word on it."""

    reason: CardRejection
    advice: Advice = "lay-card-again"
    status: int | None = None


@dataclass
class Lying:
    """What is known about the card that lies there."""

    done: bool = False
    """Read or rejected: not read again before it was lifted."""
    by_probe: bool = False
    """Whether 30 03 may tell that it lies there: only after a read."""
    proved: bool = False
    """Whether 30 03 has told so for this card."""
    mark: bytes = b""
    misses: int = 0
    unclear: int = 0


def take(
    reader: Sam, check: Callable[[], None], *, fingerprints: bool, lenient: bool, sure: bool
) -> Taken | Refused | None:
    """Select and read the card that find has found, restarting at find within bounds.

    *check* is called between commands. ``None``: there was no card, with *sure* false (lenient readers).
    """
    command = sam.READ_WITH_FINGERPRINTS if fingerprints else sam.READ
    started = reader.now()
    tries: Counter[Next | None] = Counter()
    while True:
        answer = _attempt(reader, command, check, lenient=lenient)
        if answer is not None and answer.status == status.OK:
            return Taken(answer.data, command is sam.READ_WITH_FINGERPRINTS)
        row = status.status(answer.status) if answer is not None else None
        kind = row.next if row else None
        if not sure and kind in {Next.RESTART, Next.NOTHING}:
            return None
        sure = sure or kind is not None
        if kind is Next.TEXT_ONLY:
            command = sam.READ
        tries[kind] += 1
        allowed = BROKEN_RESTARTS if kind is None else RESTARTS.get(kind, 0)
        if tries[kind] > allowed or tries.total() > ALL_RESTARTS or reader.now() - started > BUDGET_S:
            return _given_up(answer) if sure else None
        check()
        if not reader.find() and not lenient:
            # After a damaged answer nobody knows: the reader may hold the card for read, and hide it.
            return Refused("removed-too-early", status=answer.status) if answer else _given_up(None)


def _given_up(answer: Answer | None) -> Refused:
    if answer is None:
        return Refused("read-failed")
    row = status.status(answer.status)
    return Refused(row.reason, row.advice, answer.status)


def _attempt(reader: Sam, command: sam.Command, check: Callable[[], None], *, lenient: bool) -> Answer | None:
    """Select, then read; return the answer that ended it, ``None`` when there was none or a damaged one."""
    try:
        check()
        selected = reader.ask(sam.SELECT)
        if selected.status != status.OK and not lenient:
            return selected
        check()
        return reader.ask(command)
    except (SilentError, GarbledError):
        return None


def look(reader: Sam, card: Lying, reread: Callable[[], Taken | Refused | None] | None) -> Seen:
    """Return whether *card*, which was read or rejected, still lies there.

    *reread* reads it again, for lenient readers that find nothing and do not know 30 03 either.
    """
    if card.by_probe:
        seen = _look_by_probe(reader, card, find_tells=reread is None)
        if seen is not None:
            return seen
    again = reread() if reread is not None else reader.find() or None
    if again is None:
        return miss(card)
    card.misses = 0
    return "other" if isinstance(again, Taken) and again.mark() != card.mark else "same"


def miss(card: Lying) -> Seen:
    """Count that *card* was not found; the second time in a row it is gone."""
    card.misses += 1
    return "gone" if card.misses >= MISSES else "same"


def _look_by_probe(reader: Sam, card: Lying, *, find_tells: bool) -> Seen | None:
    """Ask for what only a card that was read can answer; ``None``: this reader does not tell."""
    answer = reader.probe()
    if answer is not None and answer.status in {status.OK, status.EMPTY}:
        card.proved, card.unclear = True, 0
        return "same"
    if answer is None:
        card.unclear += 1
        card.by_probe = card.unclear < UNCLEAR
        reader.find()  # is it alive at all?
        return "same"
    found = reader.find()
    if card.proved or (find_tells and not found):
        return "other" if found else "gone"
    card.by_probe = False
    return None
