"""What subscribers ask the bulk connection for: parts again, or the news that a blob is gone."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.blobs.answers import Answers
from edge.blobs.plan import Plan
from edge.blobs.rows import StoredBlob
from edge.delivery import connection, flights
from edge.wire import BlobReplayRequest
from tests.core.blob_rig import PART, TOPICS, BlobRig, blobs, picture
from tests.core.puppet import HOLD, Puppet
from tests.support.broker import Broker
from tests.support.contract import breaks, faults
from tests.support.wait import wait_until
from tests.support.window import BASE, Wiretap

OFFICE = "office"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before a reconnect and before a refused message goes out again."""
    monkeypatch.setattr(connection, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setattr(flights, "AGAIN_S", 0.01)


def whats(broker: Puppet, blob: str) -> list[str]:
    """Return what was published of *blob*: ``manifest``, ``0``, ``1`` …, in order."""
    topics = [topic.removeprefix(f"{BASE}/blob/").split("/") for topic, _ in list(broker.published)]
    return [what for name, *rest in topics if name == blob for what in rest]


@pytest.fixture
def asked(tmp_path: Path, broker: Broker) -> Iterator[tuple[BlobRig, Any]]:
    """A rig whose broker tells the properties of what it hears."""
    with blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig, Listener(broker.port) as heard:
        yield rig, heard


class Listener(Wiretap):
    """Hears answers with the topic they were first sent on."""

    def __init__(self, port: int) -> None:
        self.answers: list[tuple[str, bytes]] = []
        super().__init__(port)

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        super()._on_message(client, data, message)
        if message.topic == f"{BASE}/replayed/{OFFICE}":
            user = dict(message.properties.UserProperty)
            assert user["replayed"] == "true"
            self.answers.append((user["topic"].removeprefix(f"{BASE}/blob/"), bytes(message.payload)))

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_missing_parts_come_again_behind_the_manifest(asked: tuple[BlobRig, Listener]) -> None:
    rig, heard = asked
    data = picture(10 * PART + 7)
    _, blob = rig.take(data)
    rig.wait_sent()
    rig.bulk.ask(OFFICE, BlobReplayRequest(blob.id, [(0, 0), (3, 4), (10, 2_000_000)]))
    wait_until(lambda: len(heard.answers) >= 5)
    assert [what for what, _ in heard.answers] == [f"{blob.id}/{what}" for what in ("manifest", 0, 3, 4, 10)]
    assert [body for _, body in heard.answers[1:]] == [
        data[number * PART : (number + 1) * PART] for number in (0, 3, 4, 10)
    ]
    rig.bulk.ask(OFFICE, BlobReplayRequest(blob.id, []))
    wait_until(lambda: len(heard.answers) >= 6)
    assert heard.answers[5][0] == f"{blob.id}/manifest"
    assert not breaks(heard.messages)


def test_what_is_not_here_is_said_to_be_gone_with_the_reason(asked: tuple[BlobRig, Listener]) -> None:
    rig, heard = asked
    _, lost = rig.take(picture(3 * PART))
    rig.wait_sent()
    os.truncate(rig.folder / lost.id, PART)
    unknown = str(uuid.uuid4())
    rig.bulk.ask(OFFICE, BlobReplayRequest(unknown, [(0, 9)]))
    rig.bulk.ask(OFFICE, BlobReplayRequest(lost.id, [(1, 2)]))
    wait_until(lambda: len(heard.answers) >= 3)
    told = [(what, json.loads(body)) for what, body in heard.answers if what.endswith("gone")]
    assert told == [
        (f"{unknown}/gone", {"blob": unknown, "reason": "unknown"}),
        (f"{lost.id}/gone", {"blob": lost.id, "reason": "lost"}),
    ]
    assert not [fault for _, body in told for fault in faults("blob-gone.json", body)]


@pytest.mark.parametrize("handed", [0, 2, 5])
def test_what_was_not_sent_yet_is_not_sent_twice(tmp_path: Path, handed: int) -> None:
    with blobs(tmp_path, subscribers=[OFFICE]) as rig:
        _, blob = rig.take(picture(5 * PART))
        answers = Answers(rig.outbox, TOPICS, rig.files_of, lambda: None, lambda _blob: handed)
        answers.ask(OFFICE, BlobReplayRequest(blob.id, [(0, 99)]))
        answers.ask(OFFICE, BlobReplayRequest(str(uuid.uuid4()), []))
        sent = [wait_until(answers.next_message) for _ in range(handed + 2 if handed else 1)]
        originals = [dict(message.user)["topic"].rpartition("/")[2] for message in sent]
        assert originals == [*(["manifest", *map(str, range(handed))] if handed else []), "gone"]
        assert answers.next_message() is None


def test_the_plan_knows_what_is_out() -> None:
    plan = Plan()
    first, second = (
        StoredBlob(seq, "", f"b{seq}", "", 4 * PART, "", PART, 4, False, taken) for seq, taken in ((7, 0), (9, 3))
    )
    plan.add([first, second])
    plan.add([first])  # known already
    assert [plan.handed(blob, 0) for blob in (first, second)] == [0, 3]
    parts = []
    for number in range(1, 8):
        outgoing = plan.at(number)
        assert outgoing is not None
        parts.append((outgoing.blob.id, outgoing.part(number)))
    assert parts == [("b7", None), ("b7", 0), ("b7", 1), ("b7", 2), ("b7", 3), ("b9", None), ("b9", 3)]
    assert plan.at(8) is None
    assert [plan.handed(first, sent) for sent in (1, 2, 5, 6)] == [0, 1, 4, 4]
    assert list(plan.progress(4, 2)) == [(7, 3)]
    assert list(plan.progress(5, 2)) == [(7, 4)]
    assert plan.handed(first, 5) == 4
    assert list(plan.progress(7, 2)) == [(9, 4)]


def test_who_asks_for_much_does_not_hold_up_what_is_new(tmp_path: Path) -> None:
    with Puppet() as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        _, old = rig.take(picture(500 * PART))
        rig.wait_sent(30)
        rig.bulk.ask(OFFICE, BlobReplayRequest(old.id, [(0, 999)]))
        wait_until(lambda: broker.payloads("replayed"))
        began = len(broker.payloads("replayed"))
        _, new = rig.take(picture(20 * PART, 2))
        wait_until(lambda: len(whats(broker, new.id)) == 21, 20)
        assert len(broker.payloads("replayed")) - began < 300
        wait_until(lambda: len(broker.payloads("replayed")) == 501, 20)


def test_a_broken_connection_loses_no_answer(tmp_path: Path) -> None:
    def answer(topic: str, _payload: bytes) -> int:
        return HOLD if "/replayed/" in topic else 0

    with Puppet(answer=answer) as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        _, blob = rig.take(picture(5 * PART))
        rig.wait_sent()
        rig.bulk.ask(OFFICE, BlobReplayRequest(blob.id, [(0, 4)]))
        wait_until(lambda: len(broker.payloads("replayed")) == 6)
        broker.answer = lambda *_: 0
        broker.drop()
        wait_until(lambda: len(broker.payloads("replayed")) == 12)
