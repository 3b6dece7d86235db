"""Keys of rows: what is sensitive opens only while its key is there, and the key goes when the row does."""

from __future__ import annotations

import base64
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.blobs.parts import part_opener
from edge.errors import StoreError
from edge.sealing.jwe import opened as opened_view
from edge.store.outbox import Buried
from edge.store.room import NotTaken
from edge.store.row_keys import CHUNK, SLOT_BYTES
from tests.core.blob_rig import KEY, PART, blobs, picture
from tests.core.store_rig import SENSITIVE, Desk, opened

CANARY = SENSITIVE + "CANARY of a citizen " * 20
KEY_IN_SLOT = slice(16, 48)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def slots(path: Path) -> list[bytes]:
    data = path.with_name("keys.bin").read_bytes()
    return [data[place : place + SLOT_BYTES] for place in range(0, len(data), SLOT_BYTES)]


def keys(path: Path) -> list[bytes]:
    return [slot[KEY_IN_SLOT] for slot in slots(path) if any(slot)]


def raw(path: Path) -> bytes:
    """Return every byte that the store has on the disk."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.rglob("*")) if file.is_file())


def stored(desk: Desk) -> list[tuple[int, str, bytes, int]]:
    query = "SELECT seq, id, sealed, slot FROM event ORDER BY seq"
    return desk.outbox.call(lambda db: db.execute(query).fetchall()).result()


def opens(key: bytes, row: tuple[int, str, bytes, int]) -> bool:
    try:
        return AESGCM(key).decrypt(bytes(12), row[2], f"{row[1]}/{row[0]}".encode()) == CANARY.encode()
    except InvalidTag:
        return False


def test_a_sensitive_view_is_never_on_the_disk_and_comes_back_whole(path: Path) -> None:
    with opened(path, "office") as desk:
        desk.commit("public", CANARY)
        assert desk.accepted[1].sealed == CANARY.encode()  # as it is sent
        assert CANARY.encode() not in raw(path)
        assert desk.outbox.after(0, 9).result().rows == desk.accepted
        (_, one) = stored(desk)
        assert sum(opens(key, one) for key in keys(path)) == 1
    assert len(keys(path)) == 1  # the spare ones went with the end
    with opened(path, "office") as desk:
        assert desk.outbox.between(2, 2).result()[0].sealed == CANARY.encode()


def test_after_the_confirmation_nothing_on_the_disk_opens_it(path: Path) -> None:
    with opened(path, "office") as desk:
        desk.commit(CANARY, CANARY)
        rows = stored(desk)
        before = raw(path)
        assert all(any(opens(key, row) for key in keys(path)) for row in rows)
        assert all(row[2] in before for row in rows)
        desk.outbox.confirm("office", 1, []).result()
        desk.outbox.call(lambda _db: None).result()  # behind the end of the one before
        assert not any(opens(key, rows[0]) for key in keys(path))
        assert any(opens(key, rows[1]) for key in keys(path))
        desk.outbox.confirm("office", 2, []).result()
        desk.outbox.call(lambda _db: None).result()
        after = raw(path)
        windows = (after[place : place + 32] for place in range(len(after) - 32))
        assert not any(opens(key, rows[1]) for key in windows if any(key[:4]))
    left = raw(path)  # and at rest not even what would have to be opened
    assert not any(row[2] in left for row in rows)
    assert not any(map(any, slots(path)))


def test_every_row_has_a_key_of_its_own_and_slots_are_used_again(path: Path) -> None:
    with opened(path, "office") as desk:
        for round_ in range(1, 4):
            desk.commit(*[CANARY] * (CHUNK + 10))
            assert len({one[3] for one in stored(desk)}) == CHUNK + 10
            assert len(set(keys(path))) >= CHUNK + 10
            desk.outbox.confirm("office", round_ * (CHUNK + 10), []).result()
        assert len(slots(path)) <= 4 * CHUNK


def test_a_power_cut_leaves_no_key_but_those_of_rows(path: Path) -> None:
    with opened(path, "office") as desk:
        desk.commit(CANARY)
        (kept,) = stored(desk)
        before = keys(path)
        assert len(before) == CHUNK  # made in advance: some were perhaps taken by rows that were never committed
        copy = path.parent / "copy" / "outbox.db"
        copy.parent.mkdir()
        for name in ("outbox.db", "outbox.db-wal", "keys.bin", "epoch"):
            copy.with_name(name).write_bytes(path.with_name(name).read_bytes())
    with opened(copy, "office") as desk:
        (left,) = set(keys(copy)) & set(before)  # others may have been made since
        assert opens(left, kept)
        assert desk.outbox.between(1, 1).result()[0].sealed == CANARY.encode()


def test_the_key_of_a_picture_stands_nowhere_else_and_goes_with_the_event(tmp_path: Path) -> None:
    """Not even the back office's key opens what is left on this disk."""
    with blobs(tmp_path, subscribers=["office"]) as rig:
        row, blob = rig.take(picture(100_000), "personal")
        event = json.loads(opened_view(row.sealed or b"", [KEY])[0])
        key = base64.b64decode(event["data"]["blob_key"])
        assert part_opener(key, blob.id)(0, (rig.folder / blob.id).read_bytes()[: PART + 16])
        before = raw(tmp_path / "outbox.db")
        assert key not in before
        assert row.sealed is not None
        assert row.sealed not in before
        slot = rig.outbox.call(lambda db: db.execute("SELECT slot FROM event").fetchone()[0]).result()
        used = slots(tmp_path / "outbox.db")[slot][KEY_IN_SLOT]
        assert any(used)
        rig.outbox.confirm("office", row.seq, []).result()
        rig.outbox.call(lambda _db: None).result()
        assert used not in raw(tmp_path / "outbox.db")
        assert (rig.folder / blob.id).exists()  # it is still to be sent; nobody can open it here


@pytest.mark.parametrize("place", [0, 20, 50], ids=["what it is", "the key", "its check value"])
def test_a_damaged_key_costs_its_row_alone(path: Path, place: int) -> None:
    with opened(path, "office") as desk:
        desk.commit(CANARY, CANARY, "public")
        slot = stored(desk)[0][3]
    file = path.with_name("keys.bin")
    data = bytearray(file.read_bytes())
    data[slot * SLOT_BYTES + place] ^= 1
    file.write_bytes(data)
    with opened(path, "office") as desk:
        known = desk.outbox.known(1, 3).result()
        assert known[1] == Buried(1, "damaged")
        assert (known[2].sealed, known[3].public) == (CANARY.encode(), b"public")  # type: ignore[union-attr]
        assert (desk.outbox.depth, desk.outbox.figures.damaged) == (2, 1)


def test_a_row_that_names_a_wrong_slot_destroys_nobody_elses_key(path: Path) -> None:
    with opened(path, "office") as desk:
        desk.commit(CANARY, CANARY)
        other = stored(desk)[1][3]
        desk.outbox.call(lambda db: db.execute("UPDATE event SET slot = ? WHERE seq = 1", (other,))).result()
        desk.outbox.confirm("office", 1, []).result()
        assert desk.outbox.between(2, 2).result()[0].sealed == CANARY.encode()


@pytest.mark.parametrize(("number", "raised"), [(errno.ENOSPC, NotTaken), (errno.EIO, StoreError)])
def test_keys_that_cannot_be_written_are_no_keys(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: type[Exception]
) -> None:
    """A full disk refuses the event and the store goes on; anything else ends the store, as its own sync would."""

    def fails(_handle: int) -> Any:
        raise OSError(number, os.strerror(number))

    with opened(path, "office") as desk:
        desk.commit("public")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fails)
            with pytest.raises(raised):
                desk.commit(CANARY)
        assert bool(desk.failures) == (raised is StoreError)
        if not desk.failures:
            assert desk.commit(CANARY) == [2]
            assert desk.outbox.between(2, 2).result()[0].sealed == CANARY.encode()
