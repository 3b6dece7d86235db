"""The figures of privacy: what was read today, and how much of it is still on this PC. Real store, a day of our own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.envelope import uuid7
from edge.store.outbox import Outbox, Row
from edge.store.retention import AgeClock
from edge.store.tally import Privacy

BOOT = 7


class Shop:
    """An outbox whose age clock and day are the test's."""

    def __init__(self, path: Path) -> None:
        self.now, self.day = 1000.0, 738_000
        self.path = path
        self.open()

    def open(self) -> None:
        age = AgeClock(steady=lambda: self.now, wall=lambda: 0.0, synced=lambda: False, boot=lambda: BOOT)
        self.outbox = Outbox(self.path, _render, lambda _rows: None, ["office"], age=age)
        self.outbox._rows.tally._today = lambda: self.day  # noqa: SLF001  # the clock of the wall, injected
        self.outbox.open()

    def again(self) -> None:
        """Close the store and open it anew, as a restart does."""
        self.outbox.close()
        self.open()

    def take(self, *drafts: str) -> None:
        self.outbox.commit(drafts)

    def privacy(self) -> Privacy:
        return self.outbox.ages().result()[1]

    def confirm(self, upto: int) -> None:
        self.outbox.confirm("office", upto, []).result()


def _render(draft: Any, seq: int, _epoch: int) -> Row:
    if draft == "bug":
        raise ValueError(draft)
    sealed = draft.startswith("sealed ")
    topic = draft.removeprefix("sealed ")
    return Row(seq, uuid7(seq), topic, 3 if sealed else 1, b"public", b"sealed" if sealed else None)


READ, PRESENCE, SCANNED = "sealed id-card/id-1/read", "id-card/id-1/read", "sealed code-scanner/gun-1/scanned"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "outbox.db")
    yield made
    made.outbox.close()


def test_only_reads_that_gave_personal_data_count(shop: Shop) -> None:
    assert shop.privacy() == Privacy(0, 0, None)
    shop.take(READ, PRESENCE, "id-card/id-1/removed", SCANNED)
    shop.take("sealed smart-card/card-1/read")
    assert shop.privacy() == Privacy(2, 3, 0.0)


def test_the_oldest_is_that_of_what_is_still_kept(shop: Shop) -> None:
    shop.take(PRESENCE, READ)
    shop.now += 60
    shop.take(PRESENCE)
    shop.take(SCANNED)
    shop.now += 5
    assert shop.privacy() == Privacy(1, 2, 65.0)
    shop.confirm(2)
    assert shop.privacy() == Privacy(1, 1, 5.0)
    shop.confirm(4)
    assert shop.privacy() == Privacy(1, 0, None)
    shop.take(READ)
    shop.now += 1
    assert shop.privacy() == Privacy(2, 1, 1.0)


def test_a_restart_forgets_nothing_and_a_new_day_begins_at_nought(shop: Shop) -> None:
    shop.take(READ, READ)
    shop.again()
    shop.take(READ)
    assert shop.privacy() == Privacy(3, 3, 0.0)
    shop.day += 1
    assert shop.privacy() == Privacy(0, 3, 0.0)
    shop.take(READ)
    shop.again()
    assert shop.privacy() == Privacy(1, 4, 0.0)
    shop.day += 1
    shop.again()
    assert shop.privacy() == Privacy(0, 4, 0.0)


def test_what_is_rolled_back_was_never_taken(shop: Shop) -> None:
    shop.take(READ)
    with pytest.raises(ValueError, match="bug"):
        shop.take(READ, "bug")
    assert shop.privacy() == Privacy(1, 1, 0.0)

    def lose(db: sqlite3.Connection) -> None:
        shop.outbox._rows.delete(db, 1, 1)  # noqa: SLF001
        shop.outbox._rows.tally.privacy(db)  # noqa: SLF001
        db.execute("ROLLBACK")
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise full

    with pytest.raises(Exception, match="disk is full"):
        shop.outbox.call(lose).result()
    assert shop.privacy() == Privacy(1, 1, 0.0)


def test_what_expires_is_not_kept_any_more(shop: Shop) -> None:
    shop.take(READ)
    shop.now += 25 * 3600
    while not shop.outbox.sweep().result():
        pass
    assert shop.privacy() == Privacy(1, 0, None)
