"""A picture on its way into the outbox: durable with its event, sealed where it is personal, or not there at all."""

from __future__ import annotations

import base64
import errno
import json
import mmap
import os
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from edge.blobs.files import NoRoom
from edge.blobs.parts import PartDamaged, part_opener
from edge.envelope import BadPayload, Draft
from edge.errors import DeviceAttention, StoreError
from edge.events import BlobRef, Presented
from edge.sealing.jwe import opened
from tests.core.blob_rig import KEY, PART, BlobRig, Hand, blobs, page, picture, ref_of
from tests.core.store_rig import opened as opened_store


def commit(rig: BlobRig, hand: Hand, *refs: BlobRef, content: str = "public", **other: Any) -> int:
    drafts = [Draft("scan-1", page(ref, content, **other)) for ref in refs]
    return len(rig.desk.intake.commit(hand, drafts))


def key_of(sealed: bytes | None) -> bytes:
    plain, _ = opened(sealed or b"", [KEY])
    return base64.b64decode(json.loads(plain)["data"]["blob_key"])


# --- what is stored ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 3 * PART, 200_001])
def test_a_public_blob_is_stored_as_it_is(tmp_path: Path, size: int) -> None:
    data = picture(size)
    with blobs(tmp_path) as rig:
        row, blob = rig.take(data)
        assert (rig.folder / blob.id).read_bytes() == data
        assert (blob.seq, blob.event, blob.size, blob.sealed) == (row.seq, row.id, size, False)
        assert blob.parts == -(-size // PART)
        assert (rig.folder / blob.id).stat().st_mode & 0o777 == 0o600
        assert rig.desk.health().bytes == size
        assert json.loads(row.public)["data"]["blob"]["id"] == blob.id
        assert row.sealed is None


@pytest.mark.parametrize("size", [1, PART, 2 * PART + 5])
def test_a_personal_blob_is_sealed_part_by_part_under_a_key_of_its_own(tmp_path: Path, size: int) -> None:
    data = picture(size)
    with blobs(tmp_path) as rig:
        row, blob = rig.take(data, "personal")
        stored = (rig.folder / blob.id).read_bytes()
        assert len(stored) == size + 16 * blob.parts == rig.desk.health().bytes
        assert len(data) == 1 or data[:100] not in stored  # one byte may be anything
        assert b"blob_key" not in row.public
        key = key_of(row.sealed)
        open_part = part_opener(key, blob.id)
        parts = [stored[at : at + PART + 16] for at in range(0, len(stored), PART + 16)]
        assert b"".join(open_part(number, part) for number, part in enumerate(parts)) == data
        for wrong in (part_opener(key, str(uuid.uuid4())), part_opener(bytes(32), blob.id)):
            with pytest.raises(PartDamaged):
                wrong(0, parts[0])
        with pytest.raises(PartDamaged):
            open_part(1, parts[0])
        _, other = rig.take(data, "personal")
        assert (rig.folder / other.id).read_bytes() != stored


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_taken(tmp_path: Path, wrap: Any) -> None:
    data = picture(70_000)
    ref = ref_of(data)
    with blobs(tmp_path) as rig:
        assert commit(rig, Hand(**{ref.id: wrap(data)}), ref) == 1
        assert (rig.folder / ref.id).read_bytes() == data


def test_a_mapped_file_is_taken_and_let_go(tmp_path: Path) -> None:
    data = picture(70_000)
    ref = ref_of(data)
    handle = os.memfd_create("page")
    os.write(handle, data)
    mapped = mmap.mmap(handle, 0, prot=mmap.PROT_READ)
    with blobs(tmp_path) as rig:
        assert commit(rig, Hand(**{ref.id: mapped}), ref) == 1  # type: ignore[arg-type]
        assert (rig.folder / ref.id).read_bytes() == data
    mapped.close()  # raises while a view of it is held
    os.close(handle)


def test_events_without_blobs_touch_no_file(tmp_path: Path) -> None:
    with blobs(tmp_path) as rig:
        (row,) = rig.desk.intake.commit(Hand(), [Draft("id-1", Presented())])
        assert row.seq == 1
        assert rig.files() == set()
        assert not rig.bulk.begun


def test_a_small_packet_limit_makes_smaller_parts(tmp_path: Path) -> None:
    with blobs(tmp_path, packet_limit=20_000) as rig:
        _, blob = rig.take(picture(100_000), "personal")
        assert blob.part_size == 20_000 - 1024
        assert blob.parts == 6


# --- what is not taken leaves nothing ------------------------------------------------------------


def test_what_does_not_fit_its_reference_is_not_taken(tmp_path: Path) -> None:
    data = picture()
    with blobs(tmp_path) as rig:
        for wrong in ({"size": len(data) + 1}, {"sha256": "0" * 64}, {"id": "../outbox.db"}, {"media_type": "x/y"}):
            ref = ref_of(data, **wrong)
            with pytest.raises(BadPayload, match="DRV-106"):
                commit(rig, Hand(**{ref.id: data}), ref)
        with pytest.raises(BadPayload, match="not handed over"):
            commit(rig, Hand(), ref_of(data))
        ref = ref_of(data)
        with pytest.raises(BadPayload, match="comes with a key"):
            commit(rig, Hand(**{ref.id: data}), ref, blob_key=bytes(32))
        assert (rig.files(), rig.outbox.head, rig.desk.health().bytes) == (set(), 0, 0)


def test_an_event_that_does_not_fit_the_vocabulary_leaves_no_file(tmp_path: Path) -> None:
    good, bad = picture(seed=1), picture(seed=2)
    one, two = ref_of(good), ref_of(bad)
    with blobs(tmp_path) as rig:
        drafts = [Draft("scan-1", page(one)), Draft("scan-1", page(two, width=-1))]
        with pytest.raises(BadPayload, match="DRV-100"):
            rig.desk.intake.commit(Hand(**{one.id: good, two.id: bad}), drafts)
        with pytest.raises(BadPayload, match="DRV-106"):  # the second names a blob that is not there
            commit(rig, Hand(**{one.id: good}), one, two)
        assert (rig.files(), rig.outbox.head, rig.desk.health().bytes) == (set(), 0, 0)


def test_a_personal_blob_needs_somebody_to_seal_it_to(tmp_path: Path) -> None:
    data = picture()
    ref = ref_of(data)
    with blobs(tmp_path, seals=False) as rig:
        with pytest.raises(BadPayload, match="DRV-103"):
            commit(rig, Hand(**{ref.id: data}), ref, content="personal")
        assert rig.files() == set()
        rig.take(data)


def test_two_events_cannot_share_a_blob(tmp_path: Path) -> None:
    data = picture()
    ref = ref_of(data)
    with blobs(tmp_path) as rig:
        commit(rig, Hand(**{ref.id: data}), ref)
        with pytest.raises(BadPayload, match="DRV-106"):
            commit(rig, Hand(**{ref.id: data}), ref)
        assert (rig.folder / ref.id).read_bytes() == data
        assert rig.desk.health().bytes == len(data)


# --- no room -------------------------------------------------------------------------------------


def test_over_the_cap_nothing_is_taken_until_there_is_room(tmp_path: Path) -> None:
    with blobs(tmp_path, max_mb=1, subscribers=["office"]) as rig:
        first, _ = rig.take(picture(600_000))
        with pytest.raises(NoRoom, match=r"STO-110: .*1 MB|STO-110: .*0 MB") as raised:
            rig.take(picture(500_000))
        assert isinstance(raised.value, DeviceAttention)
        assert rig.outbox.head == 1
        rig.take(picture(300_000))  # a smaller one still fits
        rig.outbox.call(lambda db: rig.outbox.blobs.took(db, first.seq, 100)).result()
        rig.outbox.confirm("office", 1, []).result()
        rig.take(picture(500_000))
        assert rig.desk.health().bytes == 800_000


def test_the_reserve_of_the_disk_is_kept(tmp_path: Path) -> None:
    with blobs(tmp_path, reserve_mb=1_000_000) as rig:
        with pytest.raises(NoRoom, match="kept for events"):
            rig.take(picture())
        assert (rig.files(), rig.desk.health().bytes) == (set(), 0)
        rig.desk.intake.commit(Hand(), [Draft("id-1", Presented())])  # events still are


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "STO-110"), (errno.EDQUOT, "STO-110"), (errno.EIO, "STO-111")]
)
@pytest.mark.parametrize("call", range(4))
def test_a_disk_that_fails_at_any_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, call: int
) -> None:
    """Three writes of parts, then the sync."""
    calls = iter(range(100))

    def fails(real: Any) -> Any:
        def work(*args: Any) -> Any:
            if next(calls) == call:
                raise OSError(number, os.strerror(number))
            return real(*args)

        return work

    with blobs(tmp_path) as rig:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", fails(os.write))
            patch.setattr(os, "fsync", fails(os.fsync))
            with pytest.raises((NoRoom, StoreError), match=code):
                rig.take(picture(2 * PART + 1))
        assert (rig.files(), rig.outbox.head, rig.desk.health().bytes) == (set(), 0, 0)
        rig.take(picture())


# --- restarts ------------------------------------------------------------------------------------


def test_a_file_without_an_event_is_deleted_at_the_start(tmp_path: Path) -> None:
    with blobs(tmp_path) as rig:
        _, blob = rig.take(picture())
        (rig.folder / str(uuid.uuid4())).write_bytes(b"cut off by a crash")
    with blobs(tmp_path) as rig:
        assert rig.files() == {blob.id}
        assert rig.desk.health().bytes == blob.size
        assert rig.desk.health().quarantined == 0


@pytest.mark.parametrize("harm", ["gone", "short"])
def test_a_blob_whose_file_is_not_whole_is_lost_and_nothing_else(tmp_path: Path, harm: str) -> None:
    with blobs(tmp_path) as rig:
        _, hurt = rig.take(picture(seed=1))
        _, well = rig.take(picture(seed=2))
    path = tmp_path / "blobs" / hurt.id
    path.unlink() if harm == "gone" else os.truncate(path, 1000)
    for _ in range(2):  # told once, known ever after
        with blobs(tmp_path) as rig:
            health = rig.desk.health()
            assert (health.count, health.waiting, health.quarantined) == (2, 1, 1)
            assert {blob.id: blob.parked for blob in rig.blobs()} == {hurt.id: "lost", well.id: None}


def test_a_store_of_the_first_format_opens_and_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened_store(path, "office") as desk:
        desk.commit("a", "sealed:b", "c")
        epoch = desk.outbox.epoch
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE blob; PRAGMA user_version = 1;")  # as the first version left it
    db.close()
    with blobs(tmp_path, subscribers=["office"]) as rig:
        assert (rig.outbox.epoch, rig.outbox.head, rig.outbox.depth) == (epoch, 3, 3)
        row, _ = rig.take(picture())
        assert row.seq == 4
    with blobs(tmp_path, subscribers=["office"]) as rig:
        assert [row.seq for row in rig.outbox.between(1, 9).result()] == [1, 2, 3, 4]
        assert len(rig.blobs()) == 1
