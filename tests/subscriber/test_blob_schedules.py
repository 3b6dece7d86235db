"""Blobs against truth: parts lost, doubled, mixed, damaged, events before and after them, crashes that tear files.

``HALL_EDGE_SCHEDULES`` sets how many schedules each test runs; before a release, a million.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.blobs.parts import new_blob_key
from edge.subscriber.blob_desk import BlobDesk
from edge.subscriber.blob_files import Blob, BlobFolder
from edge.subscriber.blob_wire import Ref, Wanted, read_gone
from edge.subscriber.errors import WireError
from edge.subscriber.model import Delivery, Limits, View
from edge.subscriber.sequence import Mark
from tests.subscriber.blob_window import cut, manifest_of, picture_bytes
from tests.subscriber.worlds import World

SCHEDULES = int(os.environ.get("HALL_EDGE_SCHEDULES", "60"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(max(120, SCHEDULES))]
PATIENT = Limits(
    ask_after_s=1, tail_grace_s=2, gap_limit_s=1e9, max_buffered=10_000, ask_chunk=7, blob_ask_after_s=1, ask_pause_s=4
)
WINDOW = "h/w"


@pytest.fixture(scope="module", autouse=True)
def _no_sync() -> Iterator[None]:
    """Power cuts are not what is tested here, and thousands of syncs take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@dataclass(frozen=True)
class Bulk:
    """A message of the bulk connection on its way."""

    blob: str
    what: Literal["manifest", "part", "gone"]
    payload: bytes
    number: int = 0


@dataclass(frozen=True)
class Shot:
    """A blob as the window has it."""

    wanted: Wanted
    plain: bytes
    messages: tuple[Bulk, ...]


class BlobWorld(World):
    """A world whose events may bring blobs; the desk's files are real."""

    def __init__(self, rng: random.Random, folder: Path, *, limits: Limits = PATIENT, **more: Any) -> None:
        super().__init__(rng, limits=limits, **more)
        self.folder = folder
        self.shots = {seq: self._shoot(seq) for seq in range(1, self.count + 1) if rng.random() < 0.5}
        self.lost_blobs = {seq for seq in self.shots if rng.random() < 0.1}
        self.seq_of = {shot.wanted.ref.id: seq for seq, shot in self.shots.items()}
        self._now = 0.0
        self.desk = self._new_desk()

    def run(self) -> None:
        super().run()
        assert self.desk.ready() is None

    def _new_desk(self) -> BlobDesk:
        desk = BlobDesk(BlobFolder(self.folder), self.limits)
        desk.begin(self._now)
        return desk

    def _shoot(self, seq: int) -> Shot:
        blob = f"00000000-0000-4000-8000-{seq:012x}"
        part_size = self.rng.randint(1, 9)
        plain = picture_bytes(self.rng.randint(1, 4 * part_size), seq)
        key = new_blob_key() if self.is_sealed(seq) else None
        manifest = manifest_of(seq, blob, plain, sealed=key is not None, part_size=part_size)
        parts = cut(blob, plain, key, part_size)
        messages = [Bulk(blob, "manifest", json.dumps(manifest).encode())]
        messages += [Bulk(blob, "part", part, number) for number, part in enumerate(parts)]
        ref = Ref(id=blob, media_type="image/jpeg", size=len(plain), sha256=manifest["sha256"])
        return Shot(Wanted(ref, key), plain, tuple(messages))

    def _brings(self, seq: int) -> bool:
        return seq in self.shots and (self.joins or not self.is_sealed(seq))

    def _views(self, seq: int) -> list[View]:
        views = super()._views(seq)
        return [replace(view, blob=self._brings(seq) and view.sealed == (view.branch == "sealed")) for view in views]

    def _publish(self) -> None:
        before = self._next
        super()._publish()
        for seq in range(before, self._next):
            self._way += self.shots[seq].messages if seq in self.shots else ()

    def _arrive(self, view: Any) -> None:
        if isinstance(view, Bulk):
            self._arrive_bulk(view)
            return
        self.sequence.offer(view)
        if view.blob and self.sequence.awaits_blob(view.epoch, view.seq):
            self.desk.want(WINDOW, (1, view.seq), self.shots[view.seq].wanted, self._now)

    def _arrive_bulk(self, message: Bulk) -> None:
        key = (WINDOW, message.blob)
        seq = self.seq_of[message.blob]
        try:
            if message.what == "gone":
                self.desk.gone(key, read_gone(message.payload, message.blob))
            elif message.what == "manifest":
                if self.desk.manifest(key, message.payload, self._now) and not self.sequence.may_want(1, seq):
                    self.desk.forget(key)
            elif self.desk.part(key, message.number, self._harmed(message.payload), self._now):
                self.sequence.blob_moves()
        except WireError:
            pass  # refused, and asked for again

    def _harmed(self, payload: bytes) -> bytes:
        if self.rng.random() < 0.02:
            return bytes(len(payload)) if self.rng.random() < 0.5 else payload[:-1]
        return payload

    def _housekeep(self, now: float, *, fair: bool) -> None:
        self._now = now
        super()._housekeep(now, fair=fair)
        self.desk.tick(now)
        for _, body in self.desk.questions(now):
            if fair or self.rng.random() >= self.loss:
                self._answer(json.loads(body))
        while self.rng.random() < 0.8 and (found := self.desk.ready()) is not None:
            self.desk.assembled(*found, now)
        for told in self.desk.told():
            self.sequence.told_blob(told.epoch, told.seq, told.outcome)

    def _answer(self, body: dict[str, Any]) -> None:
        seq = self.seq_of[body["blob"]]
        assert seq < self._next, "asked for what does not exist"
        if seq in self.lost_blobs or seq in self._deleted:
            assert seq not in self._deleted or seq in self.processed
            gone = json.dumps({"blob": body["blob"], "reason": "lost"}).encode()
            self._way.append(Bulk(body["blob"], "gone", gone))
            return
        named = {number for first, last in body["parts"] for number in range(first, min(last, 10) + 1)}
        messages = self.shots[seq].messages
        self._way += [message for message in messages if message.what == "manifest" or message.number in named]

    def _crash(self) -> None:
        super()._crash()
        parts = [path for path in (self.folder / ".partial").rglob("*") if path.is_file()]
        if parts and self.rng.random() < 0.5:
            torn = self.rng.choice(sorted(parts))
            torn.write_bytes(torn.read_bytes()[: self.rng.randint(0, 3)])
        self.desk = self._new_desk()

    def check(self, item: Delivery) -> None:
        """Hold what was delivered against what the window had."""
        if item.tombstone or item.unreadable or not self._brings(item.seq):
            assert item.blob is None
        elif isinstance(item.blob, Blob):
            assert item.blob.path.read_bytes() == self.shots[item.seq].plain
        else:
            gone = {"damaged"} | ({"lost"} if item.seq in self.lost_blobs else set())
            assert item.blob in gone | ({"unknown"} if self.is_gone(item.seq) else set()), item.blob


def played(seed: int, **more: Any) -> BlobWorld:
    with tempfile.TemporaryDirectory() as folder:
        world = BlobWorld(random.Random(seed), Path(folder), **more)
        world.run()
        for item in world.delivered:
            world.check(item)
        return world


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), joins=st.booleans(), loss=st.sampled_from([0.0, 0.1, 0.5, 0.95]))
def test_every_event_comes_in_order_with_its_whole_blob(seed: int, joins: bool, loss: float) -> None:
    world = played(seed, joins=joins, loss=loss)
    assert [item.seq for item in world.delivered] == list(range(1, world.count + 1))
    assert not [item.seq for item in world.delivered if item.late]
    assert world.sequence.mark == Mark(1, world.count)


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), joins=st.booleans(), buffered=st.integers(1, 8), room=st.integers(110, 500))
def test_with_tight_limits_every_event_still_comes_once(seed: int, joins: bool, buffered: int, room: int) -> None:
    limits = replace(PATIENT, gap_limit_s=4, max_buffered=buffered, ask_chunk=3, max_partial_mb=room / 1e6)
    world = played(seed, joins=joins, loss=0.4, limits=limits)
    assert sorted(item.seq for item in world.delivered) == list(range(1, world.count + 1))
    assert {item.seq for item in world.delivered if item.late} <= world.named_lost
    assert world.sequence.mark == Mark(1, world.count)


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), joins=st.booleans())
def test_a_crash_tears_nothing_that_is_delivered(seed: int, joins: bool) -> None:
    world = played(seed, joins=joins, loss=0.3, crashes=0.03)
    assert sorted(set(world.processed)) == list(range(1, world.count + 1))
    assert world.sequence.mark == Mark(1, world.count)
