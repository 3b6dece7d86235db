"""Retention: every class its time, counted by a clock that nobody can set; what has expired keeps its seq."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.store.file import set_meta
from edge.store.outbox import Buried, Outbox, Row
from edge.store.retention import DAY_MS, AgeClock, Kept
from tests.core.store_rig import SENSITIVE, Desk, opened

HOUR_S, DAY_S, YEAR_S = 3600.0, 86_400.0, 365 * 86_400.0
TYPE = "hall.code-scanner.scanned.v1"


class Clocks:
    """A PC's clocks: one that nobody can set, one that anybody can, and whether a service keeps it."""

    def __init__(self) -> None:
        self.boot, self.steady, self.wall, self.synced = 1, 100.0, 1_700_000_000.0, True

    def age(self) -> AgeClock:
        return AgeClock(
            steady=lambda: self.steady, wall=lambda: self.wall, synced=lambda: self.synced, boot=lambda: self.boot
        )

    def run(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds

    def off(self, seconds: float, *, shown: float | None = None) -> None:
        """Switch the PC off and on again; its clock has run on, or shows that *shown* seconds have passed."""
        self.boot += 1
        self.steady = 10.0
        self.wall += seconds if shown is None else shown


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def sweep(outbox: Outbox) -> None:
    """Do what the store does once a minute."""
    while not outbox.sweep().result():
        pass


def kept(desk: Desk) -> dict[int, str]:
    """Return what is known of every event: its text, or why it is gone."""
    known = desk.outbox.known(1, 99).result()
    return {seq: _told(one) for seq, one in known.items()}


def _told(one: Row | Buried) -> str:
    return one.reason if isinstance(one, Buried) else (one.sealed or one.public).decode()


# --- the classes ---------------------------------------------------------------------------------


def test_each_class_has_its_time_and_keeps_its_seq(path: Path, clocks: Clocks) -> None:
    with opened(path, "office", age=clocks.age()) as desk:
        desk.commit("a", SENSITIVE, "b")
        both = {1: "retention", 3: "retention"}
        for day, left in ((0.99, {2: SENSITIVE}), (1.01, {}), (29.9, {}), (30.1, both)):
            clocks.steady = 100.0 + day * DAY_S
            sweep(desk.outbox)
            assert kept(desk) == {1: "a", 2: "retention", 3: "b"} | left
        assert (desk.outbox.depth, desk.outbox.figures.tombstones, desk.outbox.figures.expired) == (0, 3, 3)
        buried = desk.outbox.known(1, 1).result()[1]
        assert buried == Buried(1, "retention", desk.accepted[0].id, TYPE)
        assert desk.commit("c") == [4]
    with opened(path, "office", age=clocks.age()) as desk:
        assert kept(desk) == {1: "retention", 2: "retention", 3: "retention", 4: "c"}
        assert desk.outbox.figures.expired == 3
        desk.outbox.confirm("office", 3, []).result()
        assert kept(desk) == {4: "c"}
        assert desk.outbox.figures.tombstones == 0


def test_what_the_broker_refused_says_so_when_its_time_is_over(path: Path, clocks: Clocks) -> None:
    with opened(path, "office", age=clocks.age()) as desk:
        desk.commit("a")
        desk.outbox.refuse(1, 0x87).result()
        clocks.run(31 * DAY_S)
        sweep(desk.outbox)
        assert kept(desk) == {1: "quarantined"}
        assert (desk.outbox.depth, desk.outbox.refused) == (0, 0)


def test_tombstones_are_forgotten_after_a_year_but_for_the_newest(path: Path, clocks: Clocks) -> None:
    with opened(path, "office", age=clocks.age()) as desk:
        desk.commit("a", "b", "c")
        clocks.run(31 * DAY_S)
        sweep(desk.outbox)
    for passed, left in ((364, {1, 2, 3}), (2, {3})):
        clocks.run(passed * DAY_S)
        with opened(path, "office", age=clocks.age()) as desk:
            sweep(desk.outbox)
            assert kept(desk).keys() == left  # the newest tells how far the store has come
    with opened(path, "office", age=clocks.age()) as desk:
        assert desk.commit("d") == [4]


def test_many_rows_end_in_small_pieces(path: Path, clocks: Clocks) -> None:
    with opened(path, "office", age=clocks.age()) as desk:
        desk.commit(*("x" for _ in range(1000)))
        clocks.run(31 * DAY_S)
        pieces = []
        while desk.outbox.depth:
            before = desk.outbox.depth
            desk.outbox.sweep().result()
            pieces.append(before - desk.outbox.depth)
        assert max(pieces) <= 4 * 64
        assert desk.outbox.figures.expired == 1000


def test_the_store_looks_by_itself(path: Path, clocks: Clocks) -> None:
    age = clocks.age()
    with opened(path, "office", age=age) as desk:
        desk.commit("a")
    clocks.run(31 * DAY_S)
    with opened(path, "office", age=age) as desk:  # after its start
        desk.outbox.call(lambda _db: None).result()
        desk.outbox.call(lambda _db: None).result()
        assert kept(desk) == {1: "retention"}


def test_a_damaged_time_ends_no_row_early(path: Path, clocks: Clocks) -> None:
    with opened(path, "office", age=clocks.age()) as desk:
        desk.commit("a", "b")
        clocks.run(2 * HOUR_S)
        desk.outbox.call(lambda db: db.execute("UPDATE event SET born = born - 1000000000000 WHERE seq = 1")).result()
        desk.outbox.call(lambda db: db.execute("UPDATE event SET class = 3 WHERE seq = 2")).result()
        clocks.run(2 * DAY_S)
        sweep(desk.outbox)
        assert kept(desk) == {1: "damaged", 2: "damaged"}
        assert desk.outbox.figures.expired == 0


# --- the clock -----------------------------------------------------------------------------------


def days(path: Path, clocks: Clocks) -> float:
    """Return what the age clock says after a new start of the daemon."""
    with opened(path, age=(age := clocks.age())):
        return age.now_ms() / DAY_MS


@pytest.mark.parametrize("jump", [10 * YEAR_S, -10 * YEAR_S])
@pytest.mark.parametrize("synced", [True, False])
def test_a_jump_while_it_runs_or_between_two_runs_changes_nothing(
    path: Path, clocks: Clocks, jump: float, *, synced: bool
) -> None:
    clocks.synced = synced
    with opened(path, "office", age=(age := clocks.age())) as desk:
        desk.commit("a", SENSITIVE)
        clocks.wall += jump
        clocks.run(10 * HOUR_S)
        desk.outbox.call(age.keep).result()
        sweep(desk.outbox)
        assert kept(desk) == {1: "a", 2: SENSITIVE}
    clocks.wall += jump
    clocks.run(10 * HOUR_S)
    with opened(path, "office", age=clocks.age()) as desk:
        sweep(desk.outbox)
        assert kept(desk) == {1: "a", 2: SENSITIVE}
        clocks.run(5 * HOUR_S)
        sweep(desk.outbox)
        assert kept(desk) == {1: "a", 2: "retention"}  # and it is not kept for ever


def test_time_off_counts_where_a_service_kept_the_clock_before_and_after(path: Path, clocks: Clocks) -> None:
    assert days(path, clocks) == 0
    clocks.off(3 * DAY_S)
    assert days(path, clocks) == pytest.approx(3, abs=0.01)
    clocks.run(1 * DAY_S)
    assert days(path, clocks) == pytest.approx(4, abs=0.01)


def test_time_off_counts_once_the_clock_can_be_believed(path: Path, clocks: Clocks) -> None:
    assert days(path, clocks) == 0
    clocks.off(3 * DAY_S, shown=-10 * YEAR_S)  # the battery is empty
    clocks.synced = False
    assert days(path, clocks) == pytest.approx(0, abs=0.01)
    clocks.run(1 * HOUR_S)
    clocks.wall, clocks.synced = 1_700_000_000.0 + 3 * DAY_S + HOUR_S, True
    assert days(path, clocks) == pytest.approx(3 + 1 / 24, abs=0.01)
    assert days(path, clocks) == pytest.approx(3 + 1 / 24, abs=0.01)  # once


@pytest.mark.parametrize("shown", [10 * YEAR_S, 32 * DAY_S, -10 * YEAR_S])
@pytest.mark.parametrize("synced", [True, False])
def test_time_off_that_cannot_be_believed_counts_for_nothing(
    path: Path, clocks: Clocks, shown: float, *, synced: bool
) -> None:
    assert days(path, clocks) == 0
    clocks.synced = synced
    clocks.off(HOUR_S, shown=shown)
    assert days(path, clocks) == pytest.approx(0, abs=0.01)
    clocks.run(HOUR_S)
    assert days(path, clocks) == pytest.approx(1 / 24, abs=0.01)


def test_a_row_younger_than_the_last_note_of_the_clock_still_ends(path: Path, clocks: Clocks) -> None:
    """The store notes the clock once a minute; a power cut comes in between."""
    with opened(path, "office", age=clocks.age()) as desk:
        clocks.run(5 * DAY_S)
        desk.commit("a")
        desk.outbox.call(lambda db: set_meta(db, "age", 0)).result()  # as before the note of this minute
    clocks.off(0)
    clocks.synced = False
    with opened(path, "office", age=clocks.age()) as desk:
        clocks.run(29 * DAY_S)
        sweep(desk.outbox)
        assert kept(desk) == {1: "a"}
        clocks.run(2 * DAY_S)
        sweep(desk.outbox)
        assert kept(desk) == {1: "retention"}


def test_what_the_configuration_says() -> None:
    from edge.config.tables import Retention  # only here

    assert Kept.of(Retention()) == Kept()
    hours = Kept.of(Retention(public_days=2, personal_days=3, sensitive_hours=36)).by_class
    assert hours == (2 * DAY_MS, 2 * DAY_MS, 3 * DAY_MS, 3 * DAY_MS // 2)
