"""What subscribers ask for again: missing events and replays come, nonsense is counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.events import StandsFor
from edge.wire import BlobReplayRequest
from tests.core.answers_rig import ARCHIVE, OFFICE, Answers
from tests.core.store_rig import TOPIC, opened
from tests.support.window import BASE


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Answers]:
    with opened(tmp_path / "outbox.db", OFFICE, ARCHIVE) as desk:
        yield Answers(desk)


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


def test_an_acknowledgement_that_names_nothing_cancels_only_what_it_confirms(answers: Answers) -> None:
    """A long answer is acknowledged while it arrives."""
    answers.desk.commit(*(str(number) for number in range(1, 301)))
    answers.ack(OFFICE, 0, [(1, 300)])
    heard = [int(message.payload) for message in answers.take(100)]
    answers.ack(OFFICE, 80)
    heard += [int(message.payload) for message in answers.take(100)]
    assert heard == list(range(1, 201))
    answers.ack(OFFICE, 280)
    heard += [int(message.payload) for message in answers.take(20)]
    assert answers.silent()
    assert heard[-20:] == list(range(281, 301))


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
