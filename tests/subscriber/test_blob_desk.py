"""Blobs from a stranger's hand: names, sizes and sums that lie, more than fits, and a disk that fails."""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.subscriber.blob_desk import BlobDesk, Outcome
from edge.subscriber.blob_files import Blob, BlobFolder
from edge.subscriber.blob_wire import BlobTopic, Ref, Wanted, read_gone, read_manifest, wanted_by
from edge.subscriber.errors import WireError
from edge.subscriber.model import Limits
from tests.subscriber.blob_window import PART, cut, manifest_of, picture_bytes

WINDOW = "hall/w03"
BLOB = str(uuid.UUID(int=7))
KEY = (WINDOW, BLOB)
BASE = "hall/v1/hall/w03/blob"


class Rig:
    """A desk, and one picture that an event wants."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.desk = BlobDesk(BlobFolder(folder), limits or Limits())
        self.desk.begin(0.0)
        self.plain = picture_bytes(5 * PART + 1)
        self.manifest = manifest_of(1, BLOB, self.plain, sealed=False)
        self.parts = cut(BLOB, self.plain, None)
        ref = Ref(id=BLOB, media_type="image/jpeg", size=len(self.plain), sha256=self.manifest["sha256"])
        self.wanted = Wanted(ref, None)

    def want(self, now: float = 0.0) -> None:
        self.desk.want(WINDOW, (1, 1), self.wanted, now)

    def say(self, now: float = 0.0, **other: Any) -> None:
        self.desk.manifest(KEY, json.dumps(self.manifest | other).encode(), now)

    def upload(self, now: float = 0.0) -> None:
        self.say(now)
        for number, part in enumerate(self.parts):
            self.desk.part(KEY, number, part, now)

    def work(self, now: float = 0.0) -> list[Outcome]:
        while (found := self.desk.ready()) is not None:
            self.desk.assembled(*found, now)
        return [told.outcome for told in self.desk.told()]

    def questions(self, now: float) -> list[Any]:
        return [json.loads(body)["parts"] for _, body in self.desk.questions(now)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    yield Rig(tmp_path / "blobs")
    assert {path.name for path in tmp_path.iterdir()} == {"blobs"}, "nothing is written elsewhere"


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topic",
    [
        "hall/v1/hall/w03/blob/../0", "hall/v1/../w03/blob/{id}/0", "hall/v1/hall/../blob/{id}/0",
        "hall/v1/hall/w03/blob/{id}/..", "hall/v1/hall/w03/blob/{id}/-1", "hall/v1/hall/w03/blob/{id}/01",
        "hall/v1/hall/w03/blob/{id}/٣", "hall/v1/hall/w03/blob/{id}/99999999", "hall/v1/hall/w03/blob/{id}/whole",
        "hall/v1/hall/w03/blob/{id}", "hall/v1/hall/w03/blob/{id}/0/1", "hall/v1/hall/w03/blob/{ID}/0",
        "hall/v1/hall/w03/blob/------------------------------------/0", "hall/v1/Hall/w03/blob/{id}/0",
        "hall/v1/ha.ll/w03/blob/{id}/0", "hall/v2/hall/w03/blob/{id}/0", "hall/v1/hall/w03/event/{id}/0", "",
    ],
)  # fmt: skip
def test_a_topic_that_could_name_another_file_is_none(topic: str) -> None:
    assert BlobTopic.parse(topic.format(id=BLOB, ID="0193F0A0-0000-7000-8000-000000000000")) is None


def test_good_topics_are_read() -> None:
    for what, found in (("manifest", "manifest"), ("gone", "gone"), ("0", 0), ("1048575", 1048575)):
        assert BlobTopic.parse(f"{BASE}/{BLOB}/{what}") == BlobTopic(WINDOW, BLOB, found)


@given(st.text(max_size=60))
def test_no_text_becomes_a_path(text: str) -> None:
    topic = BlobTopic.parse(f"hall/v1/hall/w03/blob/{text}")
    assert topic is None or (topic.blob == text[:36] and "/" not in topic.blob and "." not in topic.blob)


REF = {"id": BLOB, "media_type": "image/jpeg", "size": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "data",
    [
        {"blob": None}, {"blob": {}}, {"blob": REF | {"id": "../../etc/passwd"}}, {"blob": REF | {"size": 0}},
        {"blob": REF | {"size": 1e400}}, {"blob": REF | {"sha256": "x"}}, {"blob": REF | {"media_type": "x" * 101}},
        {"blob": REF | {"id": BLOB + "\n"}}, {"blob": [1]},
    ],
)  # fmt: skip
def test_an_event_that_names_its_blob_in_a_bad_way_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        wanted_by(data, sealed=False)


@pytest.mark.parametrize("key", [None, 5, "", "AAAA", "not base64", "A" * 60])
def test_a_sealed_blob_needs_a_good_key(key: object) -> None:
    with pytest.raises(WireError):
        wanted_by({"blob": REF, "blob_key": key}, sealed=True)
    assert "sha256" not in repr(wanted_by({"blob": REF}, sealed=False))


# --- manifests and parts that lie ----------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"parts": 7}, {"parts": 0}, {"part_size": 0}, {"part_size": 65_537}, {"size": 0}, {"size": 10**15},
        {"blob": str(uuid.UUID(int=8))}, {"sealed": "no"}, {"sha256": "0"}, {"part_size": -1}, {"parts": 2**40},
        {"size": "1"},
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_add_up_is_refused(rig: Rig, other: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        rig.say(**other)
    rig.want()
    rig.upload()
    (blob,) = rig.work()
    assert isinstance(blob, Blob)


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"blob": 1}'])
def test_nonsense_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        read_manifest(payload, BLOB)
    with pytest.raises(WireError):
        read_gone(payload, BLOB)


@pytest.mark.parametrize("first", ["manifest", "event"])
@pytest.mark.parametrize("other", [{"sha256": "0" * 64}, {"size": 5 * PART, "parts": 5}, {"sealed": True}])
def test_the_event_counts_and_not_the_manifest(rig: Rig, first: str, other: dict[str, Any]) -> None:
    if first == "event":
        rig.want()
        with pytest.raises(WireError):
            rig.say(**other)
    else:
        rig.say(**other)
        rig.want()
    assert rig.desk.refused == 1
    rig.upload()
    (blob,) = rig.work()
    assert isinstance(blob, Blob)
    assert blob.path.read_bytes() == rig.plain


def test_parts_of_a_wrong_size_are_refused(rig: Rig) -> None:
    for data in (b"", bytes(70_000)):
        with pytest.raises(WireError):
            rig.desk.part(KEY, 0, data, 0.0)
    rig.desk.part(KEY, 2, b"short", 0.0)  # nobody knows better yet
    rig.want()
    rig.say()
    for number, data in ((0, bytes(PART + 1)), (5, bytes(PART)), (6, b"x"), (1_000_000, b"x")):
        with pytest.raises(WireError):
            rig.desk.part(KEY, number, data, 0.0)
    for number in (0, 1, 3, 4, 5):
        assert rig.desk.part(KEY, number, rig.parts[number], 0.0)
    assert rig.work(10.0) == []
    assert rig.questions(10.0) == [[[2, 2]]]
    assert rig.desk.part(KEY, 2, rig.parts[2], 10.0)
    (blob,) = rig.work(10.0)
    assert isinstance(blob, Blob)
    assert rig.desk.refused == 7


def test_another_window_cannot_touch_it(rig: Rig) -> None:
    other = ("hall/w04", BLOB)
    rig.want()
    rig.upload()
    rig.desk.part(other, 0, bytes(PART), 0.0)
    rig.desk.gone(other, "lost")
    (blob,) = rig.work()
    assert isinstance(blob, Blob)
    assert blob.path.read_bytes() == rig.plain


def test_gone_is_believed_only_of_what_is_wanted(rig: Rig) -> None:
    rig.desk.gone(KEY, "lost")
    rig.say()
    rig.desk.gone(KEY, "lost")
    assert rig.work() == []
    rig.want()
    rig.desk.gone(KEY, "refused")
    assert rig.work() == ["refused"]
    assert rig.desk.part(KEY, 0, rig.parts[0], 0.0) is False  # too late
    assert not list((rig.folder / ".partial").iterdir())


# --- limits --------------------------------------------------------------------------------------


def test_a_blob_that_is_too_large_is_not_waited_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Limits(max_blob_mb=0.005))
    rig.want()
    assert rig.work() == ["too-large"]


def test_what_nobody_wants_is_bounded_and_goes_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Limits(max_partial_mb=0.012))
    strangers = [(WINDOW, str(uuid.UUID(int=100 + number))) for number in range(50)]
    for at, key in enumerate(strangers):
        rig.desk.part(key, 0, bytes(PART), float(at))
    kept = {path.name for path in (tmp_path / ".partial").iterdir()}
    assert kept == {f"hall.w03.{blob}" for _, blob in strangers[-12:]}
    rig.want(60.0)
    rig.upload(60.0)
    (blob,) = rig.work(60.0)
    assert isinstance(blob, Blob)


def test_of_wanted_blobs_the_earliest_event_comes_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Limits(max_partial_mb=0.013))
    later = [(WINDOW, str(uuid.UUID(int=100 + number))) for number in range(3)]
    for number, key in enumerate(later):
        wanted = Wanted(Ref(id=key[1], media_type="image/png", size=5 * PART, sha256="0" * 64), None)
        rig.desk.want(WINDOW, (1, 10 + number), wanted, 0.0)
        for part in range(4):
            rig.desk.part(key, part, bytes(PART), 0.0)
    rig.want()
    rig.upload()
    (blob,) = rig.work()
    assert isinstance(blob, Blob)
    assert rig.questions(1000.0)[0] == [[4, 1048575]]  # the next one has lost nothing


def test_what_nobody_wants_for_days_is_removed(tmp_path: Path) -> None:
    (rig := Rig(tmp_path)).upload(1000.0)
    rig.desk.tick(1000.0 + 2 * 86_400)
    assert list((tmp_path / ".partial").iterdir())
    rig.desk.tick(1000.0 + 4 * 86_400)
    assert not list((tmp_path / ".partial").iterdir())


# --- asking --------------------------------------------------------------------------------------


def test_it_asks_with_growing_pauses_and_at_once_again_after_progress(rig: Rig) -> None:
    rig.want(0.0)
    rig.desk.part(KEY, 1, rig.parts[1], 0.0)
    asked = [at for at in range(200) if rig.questions(float(at))]
    assert asked == [3, 6, 12, 24, 48, 96, 156]
    rig.say(200.0)
    rig.desk.part(KEY, 4, rig.parts[4], 200.0)
    assert rig.questions(202.9) == []
    assert rig.questions(203.0) == [[[0, 0], [2, 3], [5, 5]]]
    rig.desk.resume(203.5)
    assert rig.questions(206.4) == []


def test_few_are_asked_for_at_once(rig: Rig) -> None:
    for number in range(200):
        ref = Ref(id=str(uuid.UUID(int=number)), media_type="image/png", size=10, sha256="0" * 64)
        rig.desk.want(WINDOW, (1, number), Wanted(ref, None), 0.0)
    assert [len(rig.questions(10.0)) for _ in range(2)] == [20, 20]


# --- the disk ------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_what_was_refused_comes_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    rig.want()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            rig.desk.part(KEY, 0, rig.parts[0], 0.0)
    rig.upload()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert rig.work() == []
    assert "SUB-114" in caplog.text
    assert rig.questions(61.0) == []  # all of it is here
    (blob,) = rig.work(61.0)
    assert isinstance(blob, Blob)
    assert blob == replace(blob, path=rig.folder / f"{BLOB}.jpg")
