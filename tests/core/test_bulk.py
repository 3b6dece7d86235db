"""The bulk connection against a broker that does as told, and a real one: order, window, breaks, refusals."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from edge.blobs import bulk
from edge.delivery import connection, flights
from tests.core.blob_rig import PART, blobs, picture
from tests.core.puppet import HOLD, Answer, Disconnect, Puppet, maximum_packet_size, receive_maximum
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


def hold_from(part: int) -> Answer:
    """Return the answer of a broker that takes parts below *part* only."""

    def answer(topic: str, _payload: bytes) -> int:
        what = topic.rpartition("/")[2]
        return HOLD if what.isdigit() and int(what) >= part else 0

    return answer


def whole(broker: Puppet, blob: str) -> bytes:
    """Return the parts of *blob* in order, each as it came last."""
    prefix = f"{BASE}/blob/{blob}/"
    parts = {topic.removeprefix(prefix): body for topic, body in list(broker.published) if topic.startswith(prefix)}
    return b"".join(parts[str(number)] for number in range(len(parts) - 1))


# --- what goes out -------------------------------------------------------------------------------


def test_blobs_go_out_in_order_each_behind_its_manifest(tmp_path: Path) -> None:
    with Puppet() as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        sent = [rig.take(picture(size, size))[1] for size in (10, 2 * PART + 1, PART)]
        rig.wait_sent()
        expected = [f"{BASE}/blob/{blob.id}/{what}" for blob in sent for what in ("manifest", *range(blob.parts))]
        assert [topic for topic, _ in broker.published] == expected
        for blob in sent:
            assert whole(broker, blob.id) == picture(blob.size, blob.size)
        manifests = [json.loads(body) for topic, body in broker.published if topic.endswith("manifest")]
        assert not [fault for body in manifests for fault in faults("blob-manifest.json", body)]
        assert [(body["blob"], body["event"], body["seq"], body["sha256"], body["sealed"]) for body in manifests] == [
            (blob.id, blob.event, str(blob.seq), blob.sha256, False) for blob in sent
        ]
        assert broker.connects == 1
        assert rig.blobs()[1].taken == 3


def test_nothing_connects_before_the_first_blob(tmp_path: Path) -> None:
    with Puppet() as broker, blobs(tmp_path, broker.port) as rig:
        rig.desk.start()
        assert rig.desk.health().link == "idle"
        assert not rig.bulk.begun
        rig.take(picture(10))
        rig.wait_sent()
        assert rig.desk.health().link == "up"
        assert broker.connects == 1


@pytest.mark.parametrize("limit", [1, 3, 20])
def test_little_is_in_flight(tmp_path: Path, limit: int) -> None:
    answer = lambda *_: HOLD  # noqa: E731
    with Puppet(properties=receive_maximum(limit), answer=answer) as broker, blobs(tmp_path, broker.port) as rig:
        _, blob = rig.take(picture(30 * PART))
        most = min(limit, bulk.WINDOW)
        wait_until(lambda: broker.most_in_flight == most)
        broker.release()
        rig.wait_sent()
        assert broker.most_in_flight == most
        assert whole(broker, blob.id) == picture(30 * PART)


# --- when it may go ------------------------------------------------------------------------------


def test_a_blob_goes_with_its_event_and_only_when_it_was_sent(tmp_path: Path) -> None:
    with Puppet(answer=lambda *_: HOLD) as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        for seed in range(3):
            rig.take(picture(1000, seed))
        wait_until(lambda: broker.most_in_flight)
        rig.outbox.confirm(OFFICE, 2, []).result()
        assert len(rig.blobs()) == len(rig.files()) == 3  # nothing is deleted under way
        broker.release()
        rig.wait_sent()
        wait_until(lambda: len(rig.files()) == 1)
        wait_until(lambda: [blob.seq for blob in rig.blobs()] == [3])
        rig.outbox.confirm(OFFICE, 3, [(3, 3)]).result()
        assert len(rig.blobs()) == 1
        rig.outbox.confirm(OFFICE, 3, []).result()
        wait_until(lambda: not rig.files())
        wait_until(lambda: (rig.desk.health().count, rig.desk.health().bytes) == (0, 0))


def test_with_nobody_registered_it_goes_when_the_broker_has_all_of_it(tmp_path: Path) -> None:
    with Puppet(answer=lambda *_: HOLD) as broker, blobs(tmp_path, broker.port) as rig:
        rig.take(picture(1000))
        rig.outbox.settle(1).result()
        assert rig.outbox.depth == 0
        assert len(rig.files()) == 1
        wait_until(lambda: broker.most_in_flight)
        broker.release()
        wait_until(lambda: not rig.files())
        assert not rig.blobs()


def test_what_has_gone_is_removed_without_a_connection(tmp_path: Path) -> None:
    with blobs(tmp_path, subscribers=[OFFICE]) as rig:
        row, _ = rig.take(picture())
    with blobs(tmp_path, subscribers=[OFFICE]) as rig:
        rig.outbox.call(lambda db: rig.outbox.blobs.took(db, row.seq, 99)).result()
        rig.desk.start()
        rig.outbox.confirm(OFFICE, 1, []).result()
        assert not rig.files()
        assert not rig.bulk.begun


# --- breaks and restarts -------------------------------------------------------------------------


def test_after_a_break_it_goes_on_behind_the_last_part_taken(tmp_path: Path) -> None:
    with Puppet(answer=hold_from(12)) as broker, blobs(tmp_path, broker.port) as rig:
        _, blob = rig.take(picture(40 * PART))
        wait_until(lambda: broker.most_in_flight == bulk.WINDOW)
        broker.answer = lambda *_: 0
        broker.drop()
        rig.wait_sent()
        times = Counter(whats(broker, blob.id))
        assert all(times[str(number)] == 1 for number in range(12))  # nothing the broker had comes again
        assert whole(broker, blob.id) == picture(40 * PART)


def test_after_a_restart_it_goes_on_at_most_64_parts_before(tmp_path: Path) -> None:
    with Puppet(answer=hold_from(150)) as broker:
        with blobs(tmp_path, broker.port) as rig:
            _, blob = rig.take(picture(200 * PART))
            wait_until(lambda: (found := rig.blob(blob.id)) and found.taken >= 128, 20)
            db = rig.outbox.call(lambda db: db.execute("SELECT taken FROM blob").fetchone()).result()
            assert 128 <= db[0] <= 150
        known = db[0]
        broker.published.clear()
        broker.answer = lambda *_: 0
        with blobs(tmp_path, broker.port) as rig:
            rig.desk.start()
            rig.wait_sent(20)
        sent = whats(broker, blob.id)
        assert sent[0] == "manifest"
        assert known <= int(sent[1]) <= 150
        assert sent[-1] == "199"


def test_an_orderly_end_notes_every_part(tmp_path: Path) -> None:
    with Puppet(answer=hold_from(9)) as broker:
        with blobs(tmp_path, broker.port) as rig:
            _, blob = rig.take(picture(20 * PART))
            wait_until(lambda: broker.most_in_flight == bulk.WINDOW)
        with blobs(tmp_path) as rig:
            found = rig.blob(blob.id)
            assert found is not None
            assert found.taken == 9


def test_a_frozen_broker_is_noticed(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "ACK_LIMIT_S", 0.5)
    tap = Wiretap(broker.port)
    with blobs(tmp_path, broker.port) as rig:
        rig.take(picture(10))
        rig.wait_sent()
        broker.freeze()
        _, blob = rig.take(picture(30 * PART))
        wait_until(lambda: rig.desk.health().code == "MQT-104", 5)
        assert rig.desk.health().link == "down"
        broker.thaw()
        rig.wait_sent()
        wait_until(lambda: tap_whole(tap, blob.id) == picture(30 * PART))
    assert not breaks(tap.messages)
    tap.close()


def tap_whole(tap: Wiretap, blob: str) -> bytes:
    prefix = f"{BASE}/blob/{blob}/"
    heard = {topic.removeprefix(prefix): body for topic, body, _ in list(tap.messages) if topic.startswith(prefix)}
    return b"".join(heard.get(str(number), b"") for number in range(len(heard) - 1))


def test_a_broker_that_comes_and_goes_gets_everything(tmp_path: Path, broker: Broker) -> None:
    with blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        for seed in range(5):
            rig.take(picture(20 * PART, seed))
            broker.kill()
            rig.take(picture(PART, seed + 10))
            broker.start()
        rig.wait_sent(20)
        assert rig.desk.health().count == 10
        assert rig.desk.health().quarantined == 0


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", ["manifest", "1"])
def test_a_blob_that_is_refused_three_times_is_parked_and_the_queue_goes_on(tmp_path: Path, refused: str) -> None:
    data = picture(3 * PART, 1)

    def answer(topic: str, payload: bytes) -> int:
        bad = payload == data[PART : 2 * PART] if refused == "1" else b'"seq":"1"' in payload
        return 0x87 if bad and topic.endswith(refused) else 0

    with Puppet(answer=answer) as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        _, first = rig.take(data)
        _, second = rig.take(picture(3 * PART, 2))
        rig.wait_sent()
        health = rig.desk.health()
        assert (health.count, health.waiting, health.quarantined) == (2, 0, 1)
        assert whats(broker, first.id).count(refused) == 3
        assert whole(broker, second.id) == picture(3 * PART, 2)
        rig.outbox.confirm(OFFICE, 2, []).result()
        wait_until(lambda: not rig.files())
        assert rig.desk.health().quarantined == 0


def test_a_blob_that_the_broker_disconnects_for_is_found_and_parked(tmp_path: Path) -> None:
    def answer(_topic: str, payload: bytes) -> int:
        if payload.startswith(b"poison"):
            raise Disconnect(0x95)
        return 0

    with Puppet(answer=answer) as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        good = [rig.take(picture(2 * PART, seed))[1] for seed in (1, 2)]
        _, bad = rig.take(picture(PART) + b"poison" + picture(PART))
        good += [rig.take(picture(2 * PART, seed))[1] for seed in (3, 4)]
        rig.wait_sent(20)
        assert [blob.parked for blob in rig.blobs() if blob.id == bad.id] == ["refused"]
        for seed, blob in enumerate(good, 1):
            assert whole(broker, blob.id) == picture(2 * PART, seed)


def test_parts_larger_than_the_broker_takes_are_parked_unsent(tmp_path: Path) -> None:
    limit = maximum_packet_size(20_000)
    with Puppet(properties=limit) as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        rig.take(picture(3 * PART))
        _, small = rig.take(picture(5000))
        rig.wait_sent()
        assert rig.desk.health().quarantined == 1
        assert whole(broker, small.id) == picture(5000)
        assert all(len(body) < 20_000 for _, body in broker.published)
        assert broker.connects == 1


def test_a_file_that_is_lost_under_way_stops_only_its_blob(tmp_path: Path) -> None:
    with Puppet(answer=hold_from(5)) as broker, blobs(tmp_path, broker.port, subscribers=[OFFICE]) as rig:
        _, first = rig.take(picture(100 * PART))
        _, second = rig.take(picture(PART, 2))
        wait_until(lambda: broker.most_in_flight == bulk.WINDOW)
        os.truncate(rig.folder / first.id, 20 * PART)
        broker.release()
        rig.wait_sent()
        assert {blob.id: blob.parked for blob in rig.blobs()} == {first.id: "lost", second.id: None}
        assert whole(broker, second.id) == picture(PART, 2)


# --- its end -------------------------------------------------------------------------------------


def test_its_end_waits_for_nobody(tmp_path: Path) -> None:
    with Puppet(answer=lambda *_: HOLD) as broker:
        with blobs(tmp_path, broker.port) as rig:
            rig.take(picture(50 * PART))
            wait_until(lambda: broker.most_in_flight == bulk.WINDOW)
            began = time.monotonic()
            rig.bulk.end(5)
            assert time.monotonic() - began < 2.0
        with blobs(tmp_path) as rig:
            assert rig.desk.health().waiting == 1
