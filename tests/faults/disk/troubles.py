"""What can happen to a call that the store makes to its disk, and a short script that makes every kind of call."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from edge.envelope import Draft
from edge.errors import EdgeError
from tests.faults.disk import rig
from tests.faults.disk.rig import OFFICES, Store
from tests.faults.disk.shim import BROKEN, NO_SPACE, READ_ONLY, Calls, Deed
from tests.faults.disk.truth import Marks, mark_accepted

SOON_S = 5.0
"""So long after the space has returned an event must have been taken."""
PAUSE_S = 0.01
PATIENCE_S = 10.0
NOT_SYNCS = Calls.ALL ^ Calls.SYNC


@dataclass(frozen=True)
class Trouble:
    """What happens to one call, or from one call on."""

    error: int
    deed: Deed
    calls: Calls = Calls.ALL

    @property
    def passes(self) -> bool:
        """Whether the store must get over it without a new start: there was no room, and nothing else."""
        return self.error == NO_SPACE and Calls.SYNC not in self.calls


TROUBLES = {
    "full-once": Trouble(NO_SPACE, Deed.FAIL_ONCE, NOT_SYNCS),
    "full": Trouble(NO_SPACE, Deed.FAIL_ON, NOT_SYNCS),
    "half-written": Trouble(NO_SPACE, Deed.SHORT, Calls.WRITE),
    "error-once": Trouble(BROKEN, Deed.FAIL_ONCE),
    "error": Trouble(BROKEN, Deed.FAIL_ON),
    "read-only": Trouble(READ_ONLY, Deed.FAIL_ON),
    "sync-error-once": Trouble(BROKEN, Deed.FAIL_ONCE, Calls.SYNC),
    "sync-error": Trouble(BROKEN, Deed.FAIL_ON, Calls.SYNC),
    "sync-full-once": Trouble(NO_SPACE, Deed.FAIL_ONCE, Calls.SYNC),
}


@dataclass
class Script:
    """Asks a store for everything; whatever it answers must come, and must be true."""

    store: Store
    marks: Marks
    taken: list[int] = field(default_factory=list)
    waiting: list[tuple[Future[None], Callable[[], None]]] = field(default_factory=list)

    def run(self) -> None:
        """Accept all kinds of events, confirm some, note what the broker says."""
        upto = self.taken[-1] if self.accept(rig.personal()) else 0
        self.accept(rig.ticket(1))
        self.accept(*rig.scanned_page(1, 3000, "personal"))
        for office in OFFICES:
            self.confirm(office, upto)
        self.accept(rig.ticket(2))
        self.ask(self.store.outbox.settle(2))
        for seq in self.taken[-1:]:
            self.ask(self.store.outbox.refuse(seq, 0x87), "refused", seq=seq, reason=0x87)
        self.accept(*rig.scanned_page(2, 2000, "public"))

    def accept(self, draft: Draft, data: bytes | None = None) -> bool:
        """Offer one event; return whether it was taken."""
        try:
            row = self.store.accept(draft, data)
        except EdgeError:
            return False
        mark_accepted(self.marks, row)
        self.taken.append(row.seq)
        return True

    def confirm(self, office: str, upto: int) -> None:
        self.marks.mark("releasing", seqs=list(range(1, upto + 1)) if office == OFFICES[-1] else [])
        self.ask(self.store.outbox.confirm(office, upto, []), "released", seqs=[], office=office, upto=0)

    def ask(self, future: Future[None], what: str | None = None, **about: Any) -> None:
        """Mark *what* once *future* says that it is done."""

        def done() -> None:
            if what is not None:
                self.marks.mark(what, **about)

        self.waiting.append((future, done))

    def answered(self) -> None:
        """Wait for every answer; a full disk may keep them back until there is room again."""
        for future, done in self.waiting:
            if future.exception(PATIENCE_S) is None:
                done()

    def goes_on(self) -> bool:
        """Return whether events are taken again, soon."""
        end = time.monotonic() + SOON_S
        while not self.accept(rig.ticket(3)):
            if self.store.outbox.failed or time.monotonic() > end:
                return False
            time.sleep(PAUSE_S)
        return True
