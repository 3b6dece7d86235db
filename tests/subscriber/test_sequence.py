"""The sequence core, case by case."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edge.subscriber.model import Delivery, Gap, Limits, NewStore, View
from edge.subscriber.ranges import Ranges
from edge.subscriber.sequence import Mark, WindowSequence

W = "h/w"
QUICK = Limits(ask_after_s=1, tail_grace_s=2, ask_every_s=3, gap_limit_s=60)


def sequence(*, joins: bool = False, mark: Mark | None = None, limits: Limits = QUICK) -> WindowSequence:
    return WindowSequence(W, limits, joins=joins, mark=mark)


def public(seq: int, *, epoch: int = 1, sealed: bool = False, tombstone: bool = False) -> View:
    return View(epoch=epoch, seq=seq, body=f"p{seq}", sealed=sealed, tombstone=tombstone)


def sealed(seq: int, *, bad: str | None = None, final: bool = False) -> View:
    return View(epoch=1, seq=seq, body=f"s{seq}", branch="sealed", sealed=True, bad=bad, final=final)


def offer(to: WindowSequence, *views: View) -> None:
    for view in views:
        to.offer(view)


def delivered(of: WindowSequence) -> list[Delivery]:
    return [item for item in of.out if isinstance(item, Delivery)]


def seqs(of: WindowSequence) -> list[int]:
    return [item.seq for item in delivered(of)]


def gaps(of: WindowSequence) -> list[tuple[int, int, str]]:
    return [(item.first, item.last, item.state) for item in of.out if isinstance(item, Gap)]


def tick(to: WindowSequence, *times: float) -> None:
    for now in times:
        to.tick(now)


# --- beginning ---------------------------------------------------------------------------------------------


def test_without_a_position_it_begins_with_the_first_event_and_an_older_one_comes_late() -> None:
    own = sequence()
    offer(own, public(5), public(6), public(4), public(4))
    assert [(item.seq, item.late) for item in delivered(own)] == [(5, False), (6, False), (4, True)]
    assert own.duplicates == 1
    tick(own, 0, 100)
    assert gaps(own) == []


def test_with_a_position_it_begins_behind_it() -> None:
    own = sequence(mark=Mark(1, 4))
    offer(own, public(3), public(6))
    assert own.questions(0) == []
    tick(own, 0, 1)
    assert own.questions(1) == [(5, 5)]
    offer(own, public(5))
    assert seqs(own) == [5, 6]


def test_a_new_window_begins_behind_what_it_says_was_acknowledged() -> None:
    own = sequence()
    own.told_head(1, 12, live=False)
    own.told_acknowledged(1, 10)
    tick(own, 0, 2)
    assert own.questions(2) == [(11, 12)]
    own.told_acknowledged(1, 3)
    offer(own, public(11), public(12))
    assert seqs(own) == [11, 12]


def test_what_was_never_acknowledged_comes_late_when_the_window_says_so_too_late() -> None:
    own = sequence()
    offer(own, public(5), public(6))
    own.done(delivered(own)[0])
    own.told_head(1, 6, live=True)
    own.told_acknowledged(1, 2)
    own.done(delivered(own)[1])
    assert own.questions(0) == [(3, 4)]
    held = own.acknowledgement(own.mark, [])
    assert held is not None
    assert held.upto == 2
    offer(own, public(3), public(4))
    assert [(item.seq, item.late) for item in delivered(own)] == [(5, False), (6, False), (3, True), (4, True)]
    for item in delivered(own)[2:]:
        own.done(item)
    assert own.mark == Mark(1, 6)


def test_the_first_event_lost_at_the_tail_is_noticed_after_a_live_health() -> None:
    own = sequence()
    own.told_head(1, 10, live=False)  # retained: older than our subscription
    own.told_head(1, 12, live=True)
    tick(own, 0, 5)
    assert gaps(own) == []
    own.told_head(1, 13, live=True)
    tick(own, 6, 9)
    assert own.questions(9) == [(13, 13)]


def test_a_lost_tail_is_asked_for_after_its_grace_but_not_while_events_flow() -> None:
    own = sequence(mark=Mark(1, 1))
    own.told_head(1, 4, live=True)
    tick(own, 0, 1.5)
    offer(own, public(2))
    tick(own, 1.6, 3)
    assert own.questions(3) == []
    tick(own, 3.7)
    assert own.questions(3.7) == [(3, 4)]
    assert gaps(own) == [(3, 4, "open")]


# --- joining -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("views", [(public(1, sealed=True), sealed(1)), (sealed(1), public(1, sealed=True))])
def test_both_views_make_one_event_in_either_order(views: Iterable[View]) -> None:
    own = sequence(joins=True)
    offer(own, *views)
    (only,) = delivered(own)
    assert (only.public, only.sealed, only.unreadable) == ("p1", "s1", None)


def test_without_keys_nobody_waits_for_the_sealed_view() -> None:
    own = sequence()
    offer(own, public(1, sealed=True))
    assert [(item.public, item.unreadable) for item in delivered(own)] == [("p1", None)]


def test_a_missing_sealed_view_is_a_gap_that_is_asked_for() -> None:
    own = sequence(joins=True)
    offer(own, public(1, sealed=True))
    tick(own, 0, 1)
    assert own.questions(1) == [(1, 1)]
    offer(own, public(1, sealed=True), sealed(1))
    assert gaps(own) == [(1, 1, "open"), (1, 1, "filled")]
    assert delivered(own)[0].sealed == "s1"


def test_a_tombstone_instead_of_the_sealed_view_leaves_the_public_one() -> None:
    own = sequence(joins=True)
    offer(own, public(1, sealed=True), public(1, tombstone=True))
    (only,) = delivered(own)
    assert (only.public, only.tombstone, only.unreadable) == ("p1", False, "SUB-112")


def test_a_view_for_other_keys_is_delivered_unreadable_at_once() -> None:
    own = sequence(joins=True)
    offer(own, public(1, sealed=True), sealed(1, bad="SEC-101", final=True))
    assert [item.unreadable for item in delivered(own)] == ["SEC-101"]


def test_a_view_that_cannot_be_opened_proves_nothing_but_that() -> None:
    own = sequence(joins=True, mark=Mark(1, 0))
    offer(own, sealed(5, bad="SEC-102"), View(epoch=9, seq=1, body=None, branch="sealed", bad="SEC-102"))
    tick(own, 0, 100)
    assert not own.out
    assert own.questions(100) == []


def test_a_damaged_view_gets_one_more_chance() -> None:
    own = sequence(joins=True)
    offer(own, public(1, sealed=True), sealed(1, bad="SEC-102"))
    assert delivered(own) == []
    tick(own, 0, 1)
    assert own.questions(1) == [(1, 1)]
    offer(own, sealed(1))
    assert delivered(own)[0].sealed == "s1"

    offer(own, public(2, sealed=True), sealed(2, bad="SEC-102"), sealed(2, bad="SEC-102"))
    assert delivered(own)[1].unreadable == "SEC-102"


# --- gaps --------------------------------------------------------------------------------------------------


def test_gaps_are_named_as_ranges_and_end_as_filled_or_gone() -> None:
    own = sequence(mark=Mark(1, 0))
    offer(own, public(1), public(5), public(8))
    tick(own, 0, 1)
    assert [str(gap) for gap in own.gaps] == ["h/w seq 2-4 open", "h/w seq 6-7 open"]
    offer(own, public(2), public(3), public(4), public(6), public(7, tombstone=True))
    assert gaps(own)[2:] == [(2, 4, "filled"), (6, 7, "gone")]
    assert seqs(own) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert delivered(own)[6].tombstone


def test_questions_are_repeated_with_growing_pauses_and_in_chunks() -> None:
    own = sequence(mark=Mark(1, 0), limits=Limits(ask_after_s=1, ask_every_s=3, ask_chunk=10, gap_limit_s=1e9))
    offer(own, public(100))
    asked = []
    for now in range(200):
        tick(own, now)
        if own.questions(now):
            asked.append(now)
    assert asked == [1, 4, 10, 22, 46, 94, 154]
    offer(own, *(public(seq) for seq in range(1, 11)))
    tick(own, 200)
    assert own.questions(200) == [(11, 20)], "the next part at once"


def test_a_gap_that_waits_too_long_is_lost_by_name_and_its_events_come_late() -> None:
    own = sequence(mark=Mark(1, 0))
    offer(own, public(3))
    tick(own, 0, 1, 60)
    assert gaps(own) == [(1, 2, "open"), (1, 2, "lost")]
    assert seqs(own) == [3]
    for item in delivered(own):
        own.done(item)
    assert own.mark == Mark(1, 3, Ranges([(1, 2)]))
    assert own.questions(61) == [(1, 2)]
    assert own.acknowledgement(own.mark, [(1, 2)]) is not None
    offer(own, public(2), public(2), public(1))
    assert [(item.seq, item.late) for item in delivered(own)] == [(3, False), (2, True), (1, True)]


def test_what_is_missing_stays_above_the_acknowledged_position_or_is_named() -> None:
    own = sequence(mark=Mark(1, 0))
    offer(own, public(1), public(4))
    tick(own, 0, 1, 60)
    for item in delivered(own):
        own.done(item)
    plain, asking = own.acknowledgement(own.mark, []), own.acknowledgement(own.mark, [(2, 3)])
    assert plain is not None
    assert (plain.upto, plain.missing) == (1, ())
    assert asking is not None
    assert (asking.upto, asking.missing) == (4, ((2, 3),))


def test_the_buffer_is_bounded_and_the_oldest_gap_is_given_up_by_name() -> None:
    own = sequence(mark=Mark(1, 0), limits=Limits(max_buffered=3))
    offer(own, public(2), public(4), public(6))
    assert seqs(own) == []
    offer(own, public(8))
    assert seqs(own) == [2]
    assert gaps(own) == [(1, 1, "open"), (3, 3, "open"), (5, 5, "open"), (7, 7, "open"), (1, 1, "lost")]


def test_waiting_times_do_not_run_while_nothing_can_arrive() -> None:
    own = sequence(mark=Mark(1, 0))
    offer(own, public(2))
    tick(own, 0, 50)
    own.resume(1000)
    tick(own, 1000)
    assert seqs(own) == []
    tick(own, 1060)
    assert seqs(own) == [2]


# --- epochs ------------------------------------------------------------------------------------------------


def test_a_new_store_is_told_and_begins_with_one() -> None:
    own = sequence(mark=Mark(3, 7))
    offer(own, public(9, epoch=3), public(2, epoch=4))
    assert [type(item).__name__ for item in own.out] == ["Gap", "Delivery", "Gap", "NewStore"]
    news = own.out[3]
    assert isinstance(news, NewStore)
    assert (news.old_epoch, news.last_seq, news.missing, news.epoch) == (3, 7, ((8, 8),), 4)
    assert str(news) == "h/w new store: epoch 3 ended at seq 7, lost of it: 8, now 4"
    tick(own, 0, 1)
    assert own.questions(1) == [(1, 1)]
    offer(own, public(1, epoch=4))
    assert [(item.epoch, item.seq) for item in delivered(own)] == [(3, 9), (4, 1), (4, 2)]


def test_a_straggler_of_the_old_store_is_delivered_once_as_late() -> None:
    own = sequence()
    offer(own, public(1, epoch=3), public(1, epoch=4))
    offer(own, public(2, epoch=3), public(2, epoch=3), public(1, epoch=3))
    assert [(item.epoch, item.seq, item.late) for item in delivered(own)] == [
        (3, 1, False),
        (4, 1, False),
        (3, 2, True),
    ]


def test_an_open_gap_ends_with_its_store() -> None:
    own = sequence(mark=Mark(3, 0))
    offer(own, public(2, epoch=3))
    tick(own, 0, 1)
    own.told_epoch(4)
    assert gaps(own) == [(1, 1, "open"), (1, 1, "new-store")]
    assert seqs(own) == [2]
