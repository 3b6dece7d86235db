"""The sequence core over stores that end, begin anew, come back from an old disk, or give a number twice."""

from __future__ import annotations

from pathlib import Path

from edge.subscriber.marks import Mark
from edge.subscriber.model import Delivery, Gap, Limits, NewStore, View, WentBack
from edge.subscriber.position import PositionFile
from edge.subscriber.ranges import Ranges
from edge.subscriber.sequence import WindowSequence

W = "h/w"
QUICK = Limits(ask_after_s=1, tail_grace_s=2, ask_every_s=3, gap_limit_s=60, went_back_after_s=10)


def sequence(mark: Mark | None = None, *, limits: Limits = QUICK, joins: bool = False) -> WindowSequence:
    return WindowSequence(W, limits, joins=joins, mark=mark)


def public(seq: int, name: str = "", *, epoch: int = 1, sealed: bool = False) -> View:
    return View(epoch=epoch, seq=seq, body=f"p{seq}", sealed=sealed, id=name or f"{epoch}-{seq}")


def tombstone(seq: int, stands_for: str = "") -> View:
    return View(epoch=1, seq=seq, body=f"t{seq}", tombstone=True, id=stands_for)


def offer(to: WindowSequence, *views: View) -> None:
    for view in views:
        to.offer(view)


def take(of: WindowSequence) -> list[Delivery]:
    """Process what is ready, and return what a consumer was shown."""
    found = [item for item in of.out if isinstance(item, Delivery)]
    for item in found:
        of.done(item)
    of.out.clear()
    return [item for item in found if not item.passed]


def ids(of: WindowSequence) -> list[str]:
    return [item.id for item in take(of)]


def notices(of: WindowSequence) -> list[str]:
    return [str(item) for item in of.out if isinstance(item, Gap | NewStore | WentBack)]


def full(upto: int = 20) -> WindowSequence:
    """Return a sequence that has processed 1 … *upto*."""
    own = sequence(Mark(1, 0))
    offer(own, *(public(seq) for seq in range(1, upto + 1)))
    own.told_acknowledged(1, upto)
    assert len(take(own)) == upto
    return own


def restored(own: WindowSequence, head: int, acknowledged: int, *, at: float = 0.0) -> None:
    """Let the window say twice, well apart, that its last number is *head*."""
    for now in (at, at + 11):
        own.told_acknowledged(1, acknowledged)
        own.told_head(1, head, live=True)
        own.tick(now)


# --- a restored disk ---------------------------------------------------------------------------------------


def test_a_store_that_went_back_is_named_and_its_new_events_are_delivered() -> None:
    own = full(20)
    restored(own, 15, 12)
    assert notices(own) == ["h/w store went back to seq 15: 16-20 are given again"]
    asked = own.questions(14)
    assert asked == []  # the tail's grace
    own.tick(14)
    own.tick(17)
    assert own.questions(17) == [(13, 15)]
    offer(own, *(public(seq) for seq in (13, 14, 15)), public(16, "new-16"), public(17, "new-17"))
    assert ids(own) == ["new-16", "new-17"]
    assert own.mark is not None
    assert (own.mark.upto, own.mark.upto_id, list(own.mark.missing)) == (17, "new-17", [])


def test_one_old_health_after_a_reconnect_proves_nothing() -> None:
    own = full(20)
    for now in (0.0, 3.0, 6.0):
        own.told_head(1, 15, live=True)
        own.tick(now)
    own.told_head(1, 20, live=True)
    own.told_head(1, 15, live=False)
    own.tick(100)
    own.told_head(1, 15, live=True)
    own.tick(200)
    assert notices(own) == []


def test_until_it_is_understood_nothing_of_it_is_acknowledged() -> None:
    own = full(20)
    saved = own.mark.copy() if own.mark else None
    before = own.acknowledgement(saved, [])
    assert before is not None
    assert (before.upto, before.upto_id) == (20, "1-20")
    restored(own, 15, 12)
    after = own.acknowledgement(saved, [(13, 15)])
    assert after is not None
    assert (after.upto, after.upto_id, after.missing) == (12, "", ((13, 15),))


def test_a_number_given_twice_is_noticed_by_its_id_and_both_events_are_delivered() -> None:
    own = full(20)
    own.told_acknowledged(1, 17)
    offer(own, public(18, "new-18"), public(18, "new-18"))
    assert ids(own) == []
    own.tick(0)
    assert notices(own) == ["h/w store went back to seq 17: 18-20 are given again"]
    offer(own, public(19, "new-19"), public(18, "new-18"))
    assert ids(own) == ["new-18", "new-19"]


def test_a_forged_copy_of_a_number_costs_one_look_a_minute() -> None:
    own = full(20)
    for now in range(0, 50, 10):
        offer(own, public(20, f"forged-{now}"))
        own.tick(now)
        offer(own, public(20))
    assert len(notices(own)) == 1
    assert "1-20" not in ids(own)


def test_who_starts_after_the_restore_learns_it_from_the_health_or_from_the_proof() -> None:
    late = sequence(Mark(1, 20, upto_id="1-20"))
    restored(late, 15, 12)
    assert len(notices(late)) == 1
    overtaken = sequence(Mark(1, 20, upto_id="1-20"))
    overtaken.told_acknowledged(1, 12)
    overtaken.told_head(1, 40, live=True)
    offer(overtaken, public(20, "new-20"))  # the window's answer to an acknowledgement of the other event
    overtaken.tick(0)
    offer(overtaken, *(public(seq, f"new-{seq}") for seq in range(13, 41)))
    assert ids(overtaken) == [f"new-{seq}" for seq in range(13, 41)]


def test_a_tombstone_of_what_was_delivered_is_passed_and_of_what_was_not_is_shown() -> None:
    own = sequence(Mark(1, 0))
    offer(own, *(public(seq) for seq in (1, 2, 4)))
    own.tick(0)
    own.tick(1)
    own.tick(61)
    assert ids(own) == ["1-1", "1-2", "1-4"]  # 3 is lost
    restored(own, 2, 0, at=100)
    offer(own, tombstone(1), tombstone(2, "new-2"), tombstone(3), public(4, "new-4"))
    shown = take(own)
    assert [(item.seq, item.tombstone) for item in shown] == [(2, True), (3, True), (4, False)]


def test_what_waits_at_the_consumer_when_the_store_goes_back_moves_no_mark() -> None:
    own = sequence(Mark(1, 0))
    offer(own, *(public(seq) for seq in range(1, 6)))
    waiting = [item for item in own.out if isinstance(item, Delivery)]
    own.out.clear()
    own.done(waiting[0])
    restored(own, 2, 1)
    for item in waiting[1:]:
        own.done(item)
    assert own.mark == Mark(1, 1, upto_id="1-1")
    offer(own, public(2), public(3, "new-3"))
    assert ids(own) == ["new-3"]
    assert own.mark == Mark(1, 3, upto_id="new-3")


def test_views_of_two_events_of_one_number_are_not_joined() -> None:
    own = sequence(Mark(1, 0), joins=True)
    offer(own, public(1, "a", sealed=True))
    offer(own, View(epoch=1, seq=1, body="s", branch="sealed", sealed=True, id="b"))
    assert take(own) == []
    offer(own, View(epoch=1, seq=1, body="s", branch="sealed", sealed=True, id="a"))
    assert ids(own) == ["a"]


# --- other epochs ------------------------------------------------------------------------------------------


def test_all_that_is_missing_of_an_ended_store_is_named() -> None:
    own = sequence(Mark(3, 7))
    own.told_head(3, 12, live=True)
    offer(own, public(9, epoch=3))
    own.told_epoch(4)
    assert notices(own) == [
        "h/w seq 8 open",
        "h/w seq 10-12 open",
        "h/w seq 8 new-store",
        "h/w seq 10-12 new-store",
        "h/w new store: epoch 3 ended at seq 7, lost of it: 8, 10-12, now 4",
    ]


def test_a_straggler_is_delivered_once_over_restarts(tmp_path: Path) -> None:
    own = sequence(Mark(3, 7))
    offer(own, public(8, epoch=3), public(10, epoch=3), public(1, epoch=4), public(9, epoch=3))
    assert ids(own) == ["3-8", "3-10", "4-1", "3-9"]
    file = PositionFile(tmp_path / "position.json", "case-system")
    assert own.mark is not None
    file.write({W: own.mark})
    again = sequence(file.read()[W])
    assert again.mark == Mark(4, 1, upto_id="4-1", earlier=(Mark(3, 10, upto_id="3-10"),))
    offer(again, *(public(seq, epoch=3) for seq in (8, 9, 10, 11)), public(1, epoch=4), public(2, epoch=4))
    assert ids(again) == ["3-11", "4-2"]


def test_a_window_that_lost_its_clock_and_its_disk_may_begin_under_a_lower_epoch() -> None:
    own = full(3)
    own.told_epoch(9)
    offer(own, public(1, epoch=9))
    take(own)
    for now in (0, 11):
        own.told_head(5, 2, live=True)
        own.tick(now)
    assert notices(own) == ["h/w new store: epoch 9 ended at seq 1, now 5"]
    own.tick(14)
    own.tick(17)
    assert own.questions(17) == [(1, 2)]
    offer(own, public(1, epoch=5), public(2, epoch=5))
    assert ids(own) == ["5-1", "5-2"]
    ack = own.acknowledgement(own.mark, [])
    assert ack is not None
    assert (ack.epoch, ack.upto) == (5, 2)


def test_an_earlier_store_that_comes_back_goes_on_where_it_was() -> None:
    own = full(3)
    own.told_epoch(9)
    offer(own, public(1, epoch=9), public(4), public(6))
    assert ids(own) == ["9-1", "1-4", "1-6"]
    for now in (0, 11):
        own.told_head(1, 7, live=True)
        own.tick(now)
    offer(own, public(4), public(5), public(7))
    assert ids(own) == ["1-5", "1-7"]
    assert own.mark is not None
    assert (own.mark.epoch, own.mark.upto, own.mark.missing) == (1, 7, Ranges())


# --- bounds ------------------------------------------------------------------------------------------------


def test_when_too_much_is_lost_later_events_wait_instead_of_forgetting_it() -> None:
    own = sequence(Mark(1, 0), limits=Limits(max_lost_ranges=3, max_buffered=5, gap_limit_s=1, ask_after_s=1))
    now = 0.0
    for seq in range(2, 40, 2):
        offer(own, public(seq))
        for _ in range(4):
            now += 1
            own.tick(now)
    assert [item.seq for item in take(own)] == [2, 4, 6]
    assert own.mark is not None
    assert list(own.mark.missing) == [(1, 1), (3, 3), (5, 5)]
    offer(own, public(1), public(3), public(5), *(public(seq) for seq in range(7, 40)))
    assert sorted(item.seq for item in take(own)) == [1, 3, 5, *range(7, 40)]
    assert own.mark == Mark(1, 39, upto_id="1-39")
