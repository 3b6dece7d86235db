"""The outbox: seq, order, group commit, and who may delete a row."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge.errors import StoreError
from tests.core.store_rig import Desk, Gate, busy, opened
from tests.support.wait import wait_until

THREADS, COMMITS = 20, 100


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


# --- seq and order -------------------------------------------------------------------------------


def test_seq_is_unbroken_from_one(path: Path) -> None:
    with opened(path) as desk:
        assert desk.commit("a", "b") == [1, 2]
        assert desk.commit("c") == [3]
        assert desk.outbox.head == 3
        assert [row.public for row in desk.accepted] == [b"a", b"b", b"c"]
        assert len({row.id for row in desk.accepted}) == 3
        assert all(re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab].*", row.id) for row in desk.accepted)


def test_twenty_threads_share_transactions_and_nothing_is_mixed_up(path: Path) -> None:
    def work(thread: int) -> None:
        for number in range(COMMITS):
            (row,) = desk.outbox.commit([f"{thread}:{number}"])
            assert row.public == f"{thread}:{number}".encode()
            assert desk.outbox.head >= row.seq
            assert row.seq <= desk.accepted[-1].seq  # the publisher heard of it before we did

    with opened(path) as desk, ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, thread) for thread in range(THREADS)]:
            done.result()
        assert [row.seq for row in desk.accepted] == list(range(1, THREADS * COMMITS + 1))
        assert desk.seqs() == list(range(1, THREADS * COMMITS + 1))
        assert len(desk.groups) < THREADS * COMMITS
        for thread in range(THREADS):
            own = [row.public for row in desk.accepted if row.public.startswith(f"{thread}:".encode())]
            assert own == [f"{thread}:{number}".encode() for number in range(COMMITS)]


def test_what_waits_becomes_one_transaction(path: Path) -> None:
    with opened(path) as desk:
        with busy(desk.outbox):
            futures = [desk.outbox.commit_soon([str(number)]) for number in range(50)]
        assert [future.result()[0].seq for future in futures] == list(range(1, 51))
        assert [len(group) for group in desk.groups] == [50]


def test_a_bad_draft_hurts_nobody_else(path: Path) -> None:
    with opened(path) as desk:
        with busy(desk.outbox):
            before = desk.outbox.commit_soon(["before"])
            bad = desk.outbox.commit_soon(["good half", ValueError("a driver's bug")])
            after = desk.outbox.commit_soon(["after"])
        assert [before.result()[0].seq, after.result()[0].seq] == [1, 2]
        with pytest.raises(ValueError, match="a driver's bug"):
            bad.result()
        assert desk.seqs() == [1, 2]


def test_a_bad_call_hurts_nobody_else(path: Path) -> None:
    with opened(path) as desk:
        with busy(desk.outbox):
            bad = desk.outbox.call(lambda _db: 1 // 0)
            good = desk.outbox.commit_soon(["good"])
        assert good.result()[0].seq == 1
        with pytest.raises(ZeroDivisionError):
            bad.result()


def test_a_cancelled_call_is_left_out_and_the_store_goes_on(path: Path) -> None:
    """``asyncio.wrap_future`` cancels what it waits for; once that ended the store's thread."""
    asked: list[int] = []
    with opened(path) as desk:
        with busy(desk.outbox):
            cancelled = desk.outbox.call(lambda _db: asked.append(1))
            assert cancelled.cancel()
            kept = desk.outbox.commit_soon(["kept"])
        assert kept.result()[0].seq == 1
        assert desk.commit("more") == [2]
    assert not asked


def test_the_head_is_what_is_durable(path: Path) -> None:
    with opened(path) as desk:
        with busy(desk.outbox):
            row = desk.outbox.commit_soon(["a"])
            gate = Gate(desk.outbox)  # in the same transaction
        assert gate.inside.wait(5)
        assert desk.outbox.head == 0
        assert not desk.accepted
        gate.open()
        assert row.result(5)[0].seq == 1
        assert desk.outbox.head == 1


def test_pages_leave_out_what_was_refused_and_say_how_far_they_reach(path: Path) -> None:
    with opened(path, "office") as desk:
        desk.commit(*"abcdef")
        desk.outbox.refuse(2, 0x87).result()
        desk.outbox.refuse(6, 0x87).result()
        first = desk.outbox.after(0, 3).result()
        assert (first.after, [row.seq for row in first.rows], first.upto) == (0, [1, 3, 4], 4)
        last = desk.outbox.after(4, 3).result()
        assert (last.after, [row.seq for row in last.rows], last.upto) == (4, [5], 6)


def test_nobody_waits_for_ever_when_it_is_closed(path: Path) -> None:
    desk = Desk(path)
    with busy(desk.outbox):
        waiting = [desk.outbox.commit_soon([str(number)]) for number in range(10)]
        closing = threading.Thread(target=desk.outbox.close)
        closing.start()
    assert [future.result(5)[0].seq for future in waiting] == list(range(1, 11))
    closing.join()
    with pytest.raises(StoreError, match="STO-102"):
        desk.outbox.commit(["too late"])
    desk.outbox.close()


# --- deletion ------------------------------------------------------------------------------------


def test_without_subscribers_rows_leave_when_the_broker_has_them(path: Path) -> None:
    with opened(path) as desk:
        desk.commit(*"abcde")
        desk.outbox.refuse(2, 0x87).result()
        desk.outbox.settle(4).result()
        assert desk.seqs() == [2, 5]
        assert (desk.outbox.depth, desk.outbox.refused) == desk.figures() == (2, 1)
    with opened(path) as desk:
        assert desk.outbox.brokered == 4
        assert (desk.outbox.depth, desk.outbox.refused) == (2, 1)


def test_with_subscribers_rows_leave_when_all_have_them(path: Path) -> None:
    with opened(path, "case-system", "archive") as desk:
        desk.commit(*"abcdefgh")
        desk.outbox.settle(8).result()
        desk.outbox.confirm("case-system", 6, []).result()
        assert desk.seqs() == list(range(1, 9))  # one of them has said nothing yet
        desk.outbox.confirm("archive", 8, [(2, 3)]).result()
        assert desk.seqs() == [2, 3, 7, 8]
        desk.outbox.confirm("archive", 8, []).result()
        assert desk.seqs() == [7, 8]
        desk.outbox.confirm("case-system", 4, []).result()  # an old message: nothing comes back, nothing goes
        desk.outbox.confirm("case-system", 99, []).result()
        assert desk.seqs() == []
        assert (desk.outbox.depth, desk.outbox.refused) == (0, 0)


def test_a_subscriber_that_is_not_registered_deletes_nothing(path: Path) -> None:
    with opened(path, "case-system") as desk:
        desk.commit("a")
        desk.outbox.confirm("stranger", 1, []).result()
        assert desk.seqs() == [1]


def test_a_refused_row_leaves_once_it_is_confirmed(path: Path) -> None:
    with opened(path, "case-system") as desk:
        desk.commit("a", "b")
        desk.outbox.refuse(1, 0x87).result()
        desk.outbox.refuse(1, 0x97).result()  # again: the first reason stays, and it counts once
        assert desk.outbox.between(1, 1).result()[0].refused == 0x87
        assert desk.outbox.refused == 1
        desk.outbox.confirm("case-system", 2, []).result()
        assert (desk.outbox.depth, desk.outbox.refused) == desk.figures() == (0, 0)


def test_a_thousand_missing_ranges_of_many_subscribers(path: Path) -> None:
    """SQLite takes no expression deeper than 1,000: such an acknowledgement once ended the daemon."""
    names = [f"office-{number}" for number in range(4)]
    with opened(path, *names) as desk:
        desk.commit(*("x" for _ in range(4000)))
        odd = [(seq, seq) for seq in range(1, 2000, 2)]
        for name in names:
            desk.outbox.confirm(name, 4000, [*odd, (9, 3), (3990, 1 << 70), (0, 0)]).result()
        assert desk.seqs() == [*range(1, 2000, 2), *range(3990, 4001)]
        assert (desk.outbox.depth, 0) == desk.figures()


def test_a_seq_is_never_given_twice(path: Path) -> None:
    for round_ in range(3):
        with opened(path) as desk:
            assert desk.outbox.head == 10 * round_
            desk.commit(*"0123456789")
            desk.outbox.settle(desk.outbox.head).result()
            assert desk.seqs() == []


def test_the_store_thread_ends(path: Path) -> None:
    with opened(path) as desk:
        desk.commit("a")
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "outbox"])
