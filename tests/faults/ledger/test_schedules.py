"""G4: whatever three parties do to each other, in the end the subscriber has, or names, every accepted event.

Real parts on both sides (store, feed, flights, replays; series, sequence, marks), a broker that does what it likes in
between, and no clock but the schedule's. A failure shows its seed and the fewest steps that still fail.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator

import pytest

from edge.delivery.replays import Replays
from edge.store.marks import _NOTE, Marks, read_marks
from edge.store.row_digest import row_digest
from edge.subscriber.memory import Memory
from edge.wire import Ack
from tests.faults.ledger.schedule import Wrong, fails, run
from tests.faults.ledger.steps import Step, random_steps, shortest
from tests.support.tiers import evidence, tiers

PARTS = 4
LONG_SEEDS = 1_000_000_000
"""The long tier begins with other seeds than the short one."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Do without the log: half of what happens here is worth a line."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("trials", tiers(short=8_000, long=200_000, timeout_s=7200, short_timeout_s=300))
def test_every_accepted_event_is_delivered_once_or_named(trials: int, part: int) -> None:
    schedules = trials // PARTS
    first = part * schedules + (LONG_SEEDS if trials > 100_000 else 0)
    began = time.monotonic()
    for seed in range(first, first + schedules):
        steps = random_steps(seed)
        try:
            run(steps)
        except Exception as error:
            few = shortest(steps, fails)
            raise AssertionError(f"schedule {seed}: {error}; the fewest steps that fail: {few}") from error
    rate = schedules / (time.monotonic() - began)
    name = f"schedules-of-three-parties-part-{part + 1}-of-{PARTS}"
    evidence(name, trials=schedules, failures=0, first_seed=first, schedules_per_second=round(rate, 1))


# --- what broke once, and that a schedule would notice ---------------------------------------------------

SMALLER_ACK: list[Step] = [
    ("commit", 23585), ("commit", 14379), ("commit", 50942), ("store", 31102), ("forget", 62127), ("commit", 29412),
    ("pump", 47410), ("commit", 49976), ("commit", 21636), ("commit", 52019), ("commit", 64158), ("commit", 50481),
]  # fmt: skip
"""An acknowledgement with a smaller number than before, without anything missing, once let the missing go."""
GIVEN_TWICE: list[Step] = [
    ("commit", 0), ("store", 0), ("image", 0), ("commit", 2), ("store", 0), ("pump", 0), ("carry", 7), ("consume", 5),
    ("save", 0), ("restore", 0), ("commit", 2), ("commit", 2), ("store", 0), ("pump", 0),
]  # fmt: skip
"""A restored disk gives numbers to new events, and goes on beyond the old ones before anybody hears of it."""
BEYOND_THE_HEAD: list[Step] = [
    ("commit", 39628), ("expire", 19260), ("image", 2264), ("commit", 6981), ("expire", 63089), ("pump", 28653),
    ("restore", 54417),
]  # fmt: skip
"""A restored disk hears of numbers that it has not given yet."""
GIVEN_TWICE_AND_EXPIRED: list[Step] = [
    ("commit", 59635), ("image", 55731), ("store", 35766), ("pump", 28216), ("carry", 20857), ("consume", 9579),
    ("restore", 32614), ("save", 39615), ("commit", 52420), ("tick", 52654), ("store", 30780), ("expire", 26044),
]  # fmt: skip
"""An acknowledgement that means the event before took away the tombstone of the one that has its number now."""
GIVEN_TWICE_AND_LOST: list[Step] = [
    ("image", 61975), ("commit", 44040), ("partly_store", 43846), ("pump", 45722), ("restore", 42528),
    ("commit", 50892), ("store", 8202), ("pump", 39754), ("new_store", 35525),
]  # fmt: skip
"""A new store came before the subscriber had said of the old one that it had given a number twice."""
SHOWN_TWICE: list[Step] = [
    ("commit", 17853), ("expire", 62583), ("pump", 2725), ("broker_saves", 61659), ("new_store", 31016),
    ("new_store", 31987), ("carry", 791), ("kill_broker", 17295),
]  # fmt: skip
"""After two new stores the first one's event came again, before the consumer had processed it."""
PUT_ASIDE_AND_GONE_BACK: list[Step] = [
    ("image", 13028), ("commit", 36271), ("partly_store", 24018), ("lose", 15053), ("pump", 44338),
    ("restore", 39609), ("commit", 52998), ("health", 45878), ("expire", 37280), ("health", 7401), ("pump", 19145),
    ("new_store", 57699), ("carry", 36686), ("mix", 18670),
]  # fmt: skip
"""A number was given twice, and the second event came when the subscriber knew of a new store already."""
BROKE_ONCE = {
    "smaller": SMALLER_ACK, "twice": GIVEN_TWICE, "beyond": BEYOND_THE_HEAD, "expired": GIVEN_TWICE_AND_EXPIRED,
    "twice and lost": GIVEN_TWICE_AND_LOST,
    "shown twice": SHOWN_TWICE,
    "gone back late": PUT_ASIDE_AND_GONE_BACK,
}  # fmt: skip


@pytest.mark.parametrize("steps", BROKE_ONCE.values(), ids=BROKE_ONCE)
def test_what_broke_once_does_not_break_again(steps: list[Step]) -> None:
    run(steps)


def test_a_store_that_forgets_what_is_missing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def note(_: Marks, db: sqlite3.Connection, who: str, upto: int, missing: list[tuple[int, int]], at: float) -> None:
        before = read_marks(db).get(who)
        columns = (who, max(upto, before.upto if before else 0), json.dumps(missing), at)
        digest = row_digest("subscriber", columns)
        db.execute(_NOTE, (*columns, digest))

    monkeypatch.setattr(Marks, "note", note)
    with pytest.raises(Wrong, match="deleted before it was processed"):
        run(SMALLER_ACK)


def test_a_window_that_takes_any_acknowledgement_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def acknowledged(self: Replays, subscriber: str, ack: Ack) -> None:
        if ack.epoch == self._outbox.epoch:
            self._confirmed(subscriber, ack)

    monkeypatch.setattr(Replays, "_acknowledged", acknowledged)
    with pytest.raises(Wrong, match="neither here nor named"):
        run(BEYOND_THE_HEAD)


def test_a_subscriber_that_remembers_no_ids_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "compare", lambda _self, _view: None)
    with pytest.raises(Wrong):
        run(GIVEN_TWICE)
