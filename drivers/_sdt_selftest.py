"""The self-test of an ID-card reader: its security module, and, with a person's help, a test card."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from drivers import _sdt_card as cards
from drivers import _sdt_record as records
from drivers import _sdt_sam as sam
from drivers import _sdt_status as status
from drivers._sdt_card import Taken
from drivers._selftest import patience
from edge.driver import Finding, Job
from edge.selftest.model import Level

GONE_AFTER = 2
"""So often in a row no card is found before it counts as taken off."""


class Trial:
    """One self-test of an open reader. Whose card it is, is never told: only that it could be read."""

    def __init__(
        self, reader: sam.Sam, rest: Callable[[float], None], level: Level, job: Job, today: dt.date,
        *, reads: bool, lenient: bool,
    ) -> None:  # fmt: skip
        """*rest* lets time pass; *reads*: whether this window may read cards at all."""
        self._reader, self._rest, self._level, self._job = reader, rest, level, job
        self._today, self._reads, self._lenient = today, reads, lenient
        self.left_there = False
        """Whether the test card still lies there: it is nobody's."""

    def findings(self, *, occupied: bool) -> Iterator[Finding]:
        """Yield what is found; *occupied*: a card lies there and is not to be disturbed."""
        if occupied and self._level != "interactive":
            self._reader.find()
            yield Finding(code="IDC-000", seen="the reader answers; a card lies on it, so no more was asked")
            return
        yield self._module()
        if self._level == "interactive":
            yield from self._card()

    def _module(self) -> Finding:
        """Ask the security module how it is, and who."""
        self._job.check()
        answer = self._reader.insist(sam.STATUS)
        if answer.status != status.OK:
            seen = f"the reader's own check ends with status {answer.status:02x}"
            return Finding(code="IDC-207", result="warn", seen=seen)
        self._job.check()
        answer = self._reader.insist(sam.SAM_ID)
        if answer.status != status.OK:
            return Finding(code="IDC-206", result="warn", details={"status": f"{answer.status:02x}"})
        kind = records.sam_id(answer.data)[:5]
        return Finding(code="IDC-000", seen=f"the reader answers, and tells its SAM id (type {kind})")

    def _card(self) -> Iterator[Finding]:
        self._job.report("IDC-201")
        for wait_s in patience(self._job):
            outcome = self._taken()
            if outcome is not None:
                yield outcome
                self._await_leaving()
                return
            self._rest(wait_s)
        yield Finding(code="IDC-205", result="fail")

    def _taken(self) -> Finding | None:
        """Read the card and forget it; ``None``: there is none."""
        found = self._reader.find()
        if not self._reads:
            seen = 'a card was found; it is not read, for this window has read = "presence"'
            return Finding(code="IDC-203", seen=seen) if found else None
        if not found and not self._lenient:
            return None
        check = self._job.check
        outcome = cards.take(self._reader, check, fingerprints=False, lenient=self._lenient, sure=found)
        if outcome is None:
            return None
        return self._told(outcome) if isinstance(outcome, Taken) else _unread(outcome.reason)

    def _told(self, taken: Taken) -> Finding:
        try:
            record = records.parse(records.split(taken.data, with_fingerprints=False), self._today)
        except records.UnreadableError as error:
            return _unread(error.reason)
        right = "right" if "check-digit" not in record.warnings else "wrong"
        size = len(record.number)
        seen = f"a card was read: name **, number {'*' * size} ({size} characters, check digit {right})"
        return Finding(code="IDC-203", seen=seen, details={"number_characters": size})

    def _await_leaving(self) -> None:
        """Wait until the test card is taken off: it is not to be read as a citizen's."""
        self.left_there, misses = True, 0
        self._job.report("IDC-202")
        for wait_s in patience(self._job):
            misses = 0 if self._reader.find() else misses + 1
            if misses >= GONE_AFTER:
                self.left_there = False
                return
            self._rest(wait_s)


def _unread(reason: str) -> Finding:
    return Finding(code="IDC-204", result="fail", seen=f"the card could not be read ({reason})")
