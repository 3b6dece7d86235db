"""Fills a small disk with events until none is taken, and goes on when there is room again.

As a program: ``python -m tests.faults.disk.filling STATE ROUNDS RESERVE_MB`` prints after each round what it was told,
as JSON, and waits for a line on stdin before the next one. With a reserve all rows are confirmed at a round's end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.config.tables import OutboxTable
from edge.errors import EdgeError
from edge.store.room import Room
from tests.faults.disk import rig
from tests.faults.disk.rig import OFFICES, Store
from tests.faults.disk.truth import mark_accepted, rendered_to
from tests.support.wait import wait_until

ENOUGH = 10_000
SOON_S = 10.0


class Marks(list[dict[str, Any]]):
    def mark(self, what: str, **about: Any) -> None:
        self.append({"what": what, **about})


def fill(store: Store, marks: Marks) -> list[str]:
    """Wait until an event is taken, then accept events of all kinds until five in a row are not; return their codes."""

    def offer(number: int) -> str | None:
        draft, data = (rig.ticket(number, 9000), None) if number % 8 else rig.scanned_page(number, 20_000, "personal")
        draft = draft if number % 5 else rig.personal()
        try:
            mark_accepted(marks, store.accept(draft, data))
        except EdgeError as error:
            return error.code
        return None

    wait_until(lambda: offer(1) is None, SOON_S, "an event is taken")
    codes: list[str] = []
    for number in range(ENOUGH):
        code = offer(number)
        codes = [*codes, code] if code else []
        if len(codes) == 5:
            break
    return codes


def main(arguments: Sequence[str]) -> None:
    state, rounds, reserve_mb = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    marks = Marks()
    room = Room(state, OutboxTable(reserve_mb=reserve_mb)) if reserve_mb else None
    store = Store(state, rendered_to(marks), room)
    marks.mark("opened", epoch=store.outbox.epoch)
    for _ in range(rounds):
        codes = fill(store, marks)
        if reserve_mb:
            confirm(store, marks)
        failed = str(store.outbox.failed) if store.outbox.failed else None
        print(json.dumps({"codes": codes, "failed": failed, "marks": marks}), flush=True)  # noqa: T201  # its report
        marks.clear()
        sys.stdin.readline()
    store.close()


def confirm(store: Store, marks: Marks) -> None:
    """Let everybody have acknowledged everything."""
    upto = store.outbox.head
    marks.mark("releasing", seqs=list(range(1, upto + 1)))
    for office in OFFICES:
        store.outbox.confirm(office, upto, []).result(SOON_S)
        marks.mark("released", seqs=[], office=office, upto=upto)


if __name__ == "__main__":
    main(sys.argv[1:])
