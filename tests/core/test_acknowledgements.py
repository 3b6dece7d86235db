"""What subscribers acknowledge: rows leave when all have them, and never because of what means another event."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.answers_rig import ARCHIVE, OFFICE, Answers
from tests.core.store_rig import opened
from tests.support.wait import wait_until


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Answers]:
    with opened(tmp_path / "outbox.db", OFFICE, ARCHIVE) as desk:
        yield Answers(desk)


def test_what_all_have_acknowledged_is_deleted(answers: Answers) -> None:
    answers.desk.commit(*"abcde")
    answers.ack(OFFICE, 5)
    assert answers.desk.seqs() == [1, 2, 3, 4, 5]
    answers.ack(ARCHIVE, 3)
    assert answers.desk.seqs() == [4, 5]
    assert answers.replays.confirmed() == 3
    assert answers.replays.acks[OFFICE].upto == 5
    assert answers.silent()


def test_acknowledgements_are_known_after_a_restart(answers: Answers, tmp_path: Path) -> None:
    answers.desk.commit(*"abc")
    answers.ack(OFFICE, 2)
    answers.desk.outbox.close()
    with opened(tmp_path / "outbox.db", OFFICE, ARCHIVE) as desk:
        again = Answers(desk)
        assert again.replays.acks[OFFICE].upto == 2
        assert again.replays.acks[OFFICE].at is not None
        assert again.replays.acks[ARCHIVE].at is None


def test_a_smaller_acknowledgement_takes_nothing_back_that_was_said_of_what_is_behind_it(answers: Answers) -> None:
    answers.desk.commit(*"abcd")
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 3, [(1, 2)])
        answers.ack(name, 1, [(1, 1)])
        answers.ack(name, 0)
    assert answers.desk.seqs() == [1, 2, 4]
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 2, [(1, 1)])
    assert answers.desk.seqs() == [1, 4]
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 3)
    assert answers.desk.seqs() == [4]


def test_nobody_can_acknowledge_what_was_never_given_out(answers: Answers) -> None:
    answers.desk.commit(*"abc")
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 4)
        answers.ack(name, 10**19, [(2, 10**19)])
    assert answers.desk.seqs() == [1, 2, 3]
    assert answers.replays.confirmed() == 0
    assert answers.replays.foreign_acks == 4
    assert answers.silent()
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 3, [(2, 10**19)])
    assert answers.desk.seqs() == [2, 3]


def test_an_acknowledgement_of_another_event_under_the_same_number_deletes_nothing_and_is_shown_ours(
    answers: Answers,
) -> None:
    """Our store is an older copy of itself: the subscriber means the event that had the number before."""
    rows = answers.desk.outbox.commit(["a", "b", "c"])
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 2, upto_id="0193f0a0-0000-7000-8000-000000000000")
    assert answers.desk.seqs() == [1, 2, 3]
    assert [message.payload for message in answers.take(2)] == [b"b", b"b"]
    assert (answers.replays.foreign_acks, answers.replays.confirmed()) == (2, 0)
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 2, [(1, 1)], upto_id=rows[1].id)
    wait_until(lambda: answers.desk.seqs() == [1, 3])
    assert [message.payload for message in answers.take(2)] == [b"a", b"a"]
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 2, upto_id=rows[1].id)  # its row is gone, as always when one is told again
    wait_until(lambda: answers.desk.seqs() == [3])
    assert answers.replays.foreign_acks == 2


def test_an_acknowledgement_of_another_epoch_counts_for_nothing(answers: Answers) -> None:
    answers.desk.commit(*"abc")
    for epoch in (answers.desk.outbox.epoch - 1, answers.desk.outbox.epoch + 1):
        for name in (OFFICE, ARCHIVE):
            answers.ack(name, 3, [(1, 2)], epoch)
            answers.ask(name, 1, 3, epoch)
    assert answers.desk.seqs() == [1, 2, 3]
    assert answers.silent()
    assert answers.replays.bad_messages == 0


NUMBER = st.integers(0, 30) | st.integers(-5, 60) | st.integers(0, 10**20)
RANGES = st.lists(st.tuples(NUMBER, NUMBER), max_size=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([OFFICE, ARCHIVE]), NUMBER, RANGES), max_size=6))
def test_no_row_leaves_that_somebody_still_misses(tmp_path: Path, acks: list[tuple[str, int, Any]]) -> None:
    path = tmp_path / "outbox.db"
    path.unlink(missing_ok=True)
    count = 30
    everything = range(1, count + 1)
    has: dict[str, set[int]] = {OFFICE: set(), ARCHIVE: set()}
    upto = {OFFICE: 0, ARCHIVE: 0}
    needed = set(everything)
    with opened(path, OFFICE, ARCHIVE) as desk:
        answers = Answers(desk)
        desk.commit(*("x" for _ in range(count)))
        for name, last, ranges in acks:
            before = (answers.replays.bad_messages, answers.replays.foreign_acks)
            answers.ack(name, last, ranges)
            if (answers.replays.bad_messages, answers.replays.foreign_acks) != before:
                continue
            missing = {seq for seq in everything if any(a <= seq <= b for a, b in ranges)}
            behind = {seq for seq in has[name] if last < seq <= upto[name]}  # what it said before of what is behind
            has[name] = (set(range(1, last + 1)) | behind) - missing
            upto[name] = max(upto[name], last)
            if all(answers.replays.acks[who].at is not None for who in upto):
                needed -= has[OFFICE] & has[ARCHIVE]
        assert needed == set(desk.seqs())
        assert desk.figures()[0] == desk.outbox.depth
