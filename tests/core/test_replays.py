"""What subscribers say: acknowledgements delete, missing events and replays come again, nonsense is counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.events import StandsFor
from edge.replays import Replays
from edge.topics import Topics
from edge.transport import Message
from edge.wire import BlobReplayRequest
from tests.core.store_rig import TOPIC, Desk, opened
from tests.support.wait import wait_until
from tests.support.window import BASE, HALL, WINDOW

OFFICE, ARCHIVE = "case-system", "archive"


class Answers:
    """The replays of a store with two subscribers, as the MQTT thread uses them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.woken = 0
        self.stands_for: dict[int, StandsFor] = {}
        topics = Topics(HALL, WINDOW)
        self.replays = Replays(desk.outbox, topics, [OFFICE, ARCHIVE], self._tombstone, self._wake)

    def ack(self, subscriber: str, upto: int, missing: Any = (), epoch: int | None = None) -> None:
        pairs = [[str(first), str(last)] for first, last in missing]
        body = {"epoch": self._epoch(epoch), "upto_seq": str(upto), "missing": pairs}
        self.replays.heard("ack", subscriber, json.dumps(body).encode())

    def ask(self, subscriber: str, first: int, last: int, epoch: int | None = None) -> None:
        body = {"epoch": self._epoch(epoch), "from_seq": str(first), "to_seq": str(last)}
        self.replays.heard("replay", subscriber, json.dumps(body).encode())

    def take(self, count: int) -> list[Message]:
        """Return the next *count* messages; each is there within the usual deadline."""
        return [wait_until(self.replays.next_message, what=f"message {number}") for number in range(count)]

    def silent(self) -> bool:
        """Return whether nothing more comes: the outbox has answered what it was asked."""
        for _ in range(3):
            if self.replays.next_message() is not None:
                return False
            self.desk.outbox.call(lambda _db: None).result()
        return True

    def _epoch(self, epoch: int | None) -> int:
        return self.desk.outbox.epoch if epoch is None else epoch

    def _tombstone(self, seq: int, stands_for: StandsFor) -> bytes:
        self.stands_for[seq] = stands_for
        return f"tombstone {seq}".encode()

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Answers]:
    with opened(tmp_path / "outbox.db", OFFICE, ARCHIVE) as desk:
        yield Answers(desk)


# --- acknowledgements ----------------------------------------------------------------------------


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


def test_nobody_can_acknowledge_what_was_never_given_out(answers: Answers) -> None:
    answers.desk.commit(*"abc")
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 10**19, [(2, 10**19)])
    assert answers.desk.seqs() == [2, 3]
    assert answers.replays.confirmed() == 3
    answers.desk.commit("d")
    assert answers.desk.seqs() == [2, 3, 4]


def test_an_acknowledgement_of_another_epoch_counts_for_nothing(answers: Answers) -> None:
    answers.desk.commit(*"abc")
    for epoch in (answers.desk.outbox.epoch - 1, answers.desk.outbox.epoch + 1):
        for name in (OFFICE, ARCHIVE):
            answers.ack(name, 3, [(1, 2)], epoch)
            answers.ask(name, 1, 3, epoch)
    assert answers.desk.seqs() == [1, 2, 3]
    assert answers.silent()
    assert answers.replays.bad_messages == 0


# --- replays -------------------------------------------------------------------------------------


def test_missing_events_come_again_as_they_were(answers: Answers) -> None:
    answers.desk.commit("a", "sealed:b", "c")
    answers.ack(OFFICE, 3, [(2, 3)])
    public, sealed, last = answers.take(3)
    assert (public.payload, sealed.payload, last.payload) == (b"sealed:b", b"{}", b"c")
    assert {message.topic for message in (public, sealed, last)} == {f"{BASE}/replayed/{OFFICE}"}
    assert public.user == (("replayed", "true"), ("topic", f"{BASE}/event/{TOPIC}"))
    assert sealed.user == (("replayed", "true"), ("topic", f"{BASE}/sealed/{TOPIC}"))
    assert sealed.content_type == "application/jose+json"
    assert not any(message.retain for message in (public, sealed, last))
    assert answers.replays.replayed == 3
    assert answers.silent()
    assert answers.woken


def test_what_is_gone_or_refused_is_told_by_a_tombstone(answers: Answers) -> None:
    rows = answers.desk.outbox.commit(["a", "b", "c"])
    answers.desk.outbox.refuse(2, 0x87).result()
    for name in (OFFICE, ARCHIVE):
        answers.ack(name, 1)
    answers.ask(OFFICE, 1, 3)
    assert [message.payload for message in answers.take(3)] == [b"tombstone 1", b"tombstone 2", b"c"]
    assert answers.stands_for == {
        1: StandsFor("confirmed-and-deleted"),
        2: StandsFor("quarantined", rows[1].id, "hall.code-scanner.scanned.v1"),
    }


def test_only_what_was_given_out_is_answered_for(answers: Answers) -> None:
    answers.desk.commit(*"abc")
    for first, last in ((0, 0), (4, 9), (3, 1), (10**19, 10**20 - 1)):
        answers.ask(OFFICE, first, last)
        answers.ack(OFFICE, 0, [(first, last)])
    assert answers.silent()
    answers.ask(OFFICE, 0, 10**19)
    assert [message.payload for message in answers.take(3)] == [b"a", b"b", b"c"]
    assert answers.silent()


def test_an_acknowledgement_replaces_what_the_last_one_named(answers: Answers) -> None:
    answers.desk.commit(*(str(number) for number in range(1, 501)))
    answers.ack(OFFICE, 500, [(1, 500)])
    answers.take(10)
    answers.ack(OFFICE, 500, [(499, 500)])
    rest = [message.payload for message in answers.take(42)]
    assert rest[-2:] == [b"499", b"500"]
    assert answers.silent()


def test_an_acknowledgement_does_not_cancel_a_replay(answers: Answers) -> None:
    answers.desk.commit(*(str(number) for number in range(1, 201)))
    answers.ask(OFFICE, 1, 100)
    answers.ask(OFFICE, 151, 200)
    answers.ack(OFFICE, 0)
    assert {int(message.payload) for message in answers.take(150)} == {*range(1, 101), *range(151, 201)}
    assert answers.silent()


def test_a_long_replay_lets_others_in_between(answers: Answers) -> None:
    answers.desk.commit(*(str(number) for number in range(1, 1001)))
    answers.ask(OFFICE, 1, 1000)
    answers.take(1)
    answers.ask(ARCHIVE, 1, 100)
    heard = [message.topic.rpartition("/")[2] for message in answers.take(300)]
    assert Counter(heard)[ARCHIVE] == 100
    last = len(heard) - heard[::-1].index(ARCHIVE)
    assert last <= 250  # in turns, 50 events each


def test_a_request_for_parts_of_a_blob_goes_to_the_bulk_connection(answers: Answers) -> None:
    asked: list[tuple[str, BlobReplayRequest]] = []
    answers.replays.on_blob_wanted = lambda who, request: asked.append((who, request))
    blob = "0193f0a0-0000-7000-8000-000000000000"
    for parts in ([], [[0, 3], [7, 7]]):
        answers.replays.heard("replay", OFFICE, json.dumps({"blob": blob, "parts": parts}).encode())
    assert asked == [
        (OFFICE, BlobReplayRequest(blob, [])),
        (OFFICE, BlobReplayRequest(blob, [(0, 3), (7, 7)])),
    ]
    assert answers.replays.bad_messages == 0
    bad: tuple[dict[str, Any], ...] = (
        {"blob": blob}, {"blob": "../outbox.db", "parts": []}, {"blob": blob, "parts": [[-1, 2]]},
        {"blob": blob, "parts": [], "epoch": 1}, {"blob": blob, "parts": [["0", "3"]]}, {"blob": 7, "parts": []},
        {"blob": blob, "parts": [[0, 2**31]]}, {"blob": blob, "parts": [[0, 0]] * 1001}, {"parts": []},
        {"epoch": 1, "from_seq": "1", "to_seq": "1", "blob": blob, "parts": []},
    )  # fmt: skip
    for number, body in enumerate(bad, 1):
        answers.replays.heard("replay", OFFICE, json.dumps(body).encode())
        assert answers.replays.bad_messages == number, body
    answers.replays.heard("replay", "stranger", json.dumps({"blob": blob, "parts": []}).encode())
    answers.replays.heard("ack", OFFICE, json.dumps({"blob": blob, "parts": []}).encode())
    assert len(asked) == 2
    assert answers.replays.bad_messages == len(bad) + 2


def test_a_closed_store_ends_nothing(answers: Answers) -> None:
    answers.desk.commit(*"abc")
    answers.desk.outbox.close()
    answers.ask(OFFICE, 1, 3)
    answers.ack(OFFICE, 3, [(1, 2)])
    for _ in range(10):
        assert answers.replays.next_message() is None


# --- nonsense ------------------------------------------------------------------------------------


def test_a_stranger_is_not_heard(answers: Answers, caplog: pytest.LogCaptureFixture) -> None:
    answers.desk.commit("a")
    answers.ack("stranger", 1)
    answers.ask("str\nanger", 1, 1)
    assert answers.replays.bad_messages == 2
    assert answers.silent()
    assert "stranger" not in "".join(record.getMessage() for record in caplog.records)


BAD = (
    b"",
    b"null",
    b"\xff\xfe",
    b'{"epoch": 1, "upto_seq": "\xff", "missing": []}',
    b"[" * 100_000,
    b'{"epoch": 1, "upto_seq": "1", "missing": ' + b"[" * 50_000,
    b'{"epoch": 1, "upto_seq": "1", "more": 1}',
    b'{"epoch": 1, "upto_seq": 1}',
    b'{"epoch": 1, "upto_seq": "-1"}',
    b'{"epoch": 1, "upto_seq": "1\\n"}',
    b'{"epoch": 1, "upto_seq": "1", "missing": [["1"]]}',
    b'{"epoch": 1, "from_seq": "1"}',
    b'{"epoch": 1, "upto_seq": "1", "missing": [' + b'["1","2"],' * 1000 + b'["1","2"]]}',
    b" " * 65_537,
)


@pytest.mark.parametrize("branch", ["ack", "replay"])
def test_malformed_messages_are_counted(answers: Answers, branch: str) -> None:
    answers.desk.commit("a")
    for number, body in enumerate(BAD, 1):
        answers.replays.heard(branch, OFFICE, body)
        assert answers.replays.bad_messages == number
    assert answers.desk.seqs() == [1]
    assert answers.silent()


NUMBER = st.integers(-5, 60) | st.integers(0, 10**20)
RANGES = st.lists(st.tuples(NUMBER, NUMBER), max_size=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([OFFICE, ARCHIVE]), NUMBER, RANGES), max_size=6))
def test_no_row_leaves_that_somebody_still_misses(tmp_path: Path, acks: list[tuple[str, int, Any]]) -> None:
    path = tmp_path / "outbox.db"
    path.unlink(missing_ok=True)
    count = 30
    upto, missing = {OFFICE: 0, ARCHIVE: 0}, {OFFICE: [], ARCHIVE: []}  # type: ignore[var-annotated]
    needed = set(range(1, count + 1))
    with opened(path, OFFICE, ARCHIVE) as desk:
        answers = Answers(desk)
        desk.commit(*("x" for _ in range(count)))
        for name, last, ranges in acks:
            before = answers.replays.bad_messages
            answers.ack(name, last, ranges)
            if answers.replays.bad_messages > before:
                continue
            upto[name], missing[name] = max(upto[name], min(last, count)), ranges
            done = [
                {seq for seq in range(1, upto[who] + 1) if not any(a <= seq <= b for a, b in missing[who])}
                for who in upto
            ]
            if all(answers.replays.acks[who].at is not None for who in upto):
                needed -= done[0] & done[1]
        assert needed == set(desk.seqs())
        assert desk.figures()[0] == desk.outbox.depth
