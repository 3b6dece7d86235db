"""Blobs that do not come whole at once: gone, damaged, cut off by a restart."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import pytest

from edge.sealing.jwe import new_key
from edge.subscriber import BlobFolderError
from tests.subscriber.blob_window import PART, BlobWindow, Picture
from tests.subscriber.test_blobs import check, names, partial, subscriber
from tests.subscriber.test_subscriber import DEADLINE_S, connected, take
from tests.support.broker import Broker
from tests.support.wait import wait_until_async


@pytest.mark.parametrize("reason", ["unknown", "refused", "lost"])
async def test_an_event_whose_picture_is_gone_comes_without_it(
    shared_broker: Broker, tmp_path: Path, reason: str
) -> None:
    window = BlobWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path) as own:
        await connected(own)
        picture = window.shoot()
        window.gone_blobs[picture.id] = reason
        await window.upload(picture, [0, 1])
        await window.send(picture.seq)
        (event,) = await take(own, 1)
        assert (event.blob, event.blob_gone) == (None, reason)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 1, DEADLINE_S, "acknowledged")
    assert partial(tmp_path) == []


@pytest.mark.parametrize("sealed", [False, True])
async def test_damaged_parts_are_refused_and_asked_for_again(
    shared_broker: Broker, tmp_path: Path, sealed: bool
) -> None:
    key = new_key()
    window = BlobWindow([key])
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path, keys=[key]) as own:
        await connected(own)
        picture = window.shoot(sealed=sealed)
        await window.upload(picture, [0, 1, 2])
        await window.publish(f"blob/{picture.id}/3", bytes(len(picture.parts[3])))
        await window.upload(picture, [4, 5], manifest=False)
        await window.send(picture.seq)
        (event,) = await take(own, 1)
        check(event, picture)
        assert own.refused >= 1
        assert window.asked[0]["parts"] == ([[3, 3]] if sealed else [[0, 5]])


async def test_what_is_wrong_three_times_is_given_up(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path) as own:
        await connected(own)
        picture = window.shoot()
        bad = (bytes(PART), *picture.parts[1:])
        window.pictures[picture.id] = bad_picture = Picture(picture.seq, picture.id, b"", picture.manifest, bad)
        await window.upload(bad_picture)
        await window.send(picture.seq)
        (event,) = await take(own, 1)
        assert (event.blob, event.blob_gone) == (None, "damaged")
    assert partial(tmp_path) == []
    assert not names(tmp_path, "*.jpg")


async def test_a_restart_goes_on_with_the_parts_that_are_here(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    settings = {"position": tmp_path / "position.json", "session_expiry_s": 0}
    folder = tmp_path / "blobs"
    async with window.online(shared_broker.port):
        window.deaf = True
        async with subscriber(shared_broker, window, folder, **settings) as own:
            await connected(own)
            await window.rate()
            picture = window.shoot()
            await window.send(picture.seq)
            await window.upload(picture, [1, 2, 4])
            await take(own, 1)
            own.done()
            await wait_until_async(lambda: window.acknowledged == 1, DEADLINE_S, "acknowledged")
            place = folder / ".partial" / f"{window.hall}.w03.{picture.id}"
            await wait_until_async(lambda: len(list(place.iterdir())) == 4, DEADLINE_S, "parts")
        (place / "2").write_bytes(b"torn by a power cut")
        window.deaf = False
        window.asked.clear()
        async with subscriber(shared_broker, window, folder, **settings) as own:
            await connected(own)
            await window.health()
            (event,) = await take(own, 1)
            check(event, picture)
            assert window.asked[0]["parts"] == [[0, 0], [3, 3], [5, 5]]
            assert window.asked[1]["parts"] == [[2, 2]]


async def test_an_event_that_comes_again_finds_its_file(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    settings = {"position": tmp_path / "position.json", "session_expiry_s": 0}
    folder = tmp_path / "blobs"
    async with window.online(shared_broker.port):
        async with subscriber(shared_broker, window, folder, **settings) as own:
            await connected(own)
            picture = window.shoot()
            await window.upload(picture)
            await window.send(picture.seq)
            await take(own, 1)  # and it crashes before it is done
        window.asked.clear()
        async with subscriber(shared_broker, window, folder, **settings) as own:
            await connected(own)
            await window.send(picture.seq)
            check((await take(own, 1))[0], picture)
        assert window.asked == []


async def test_another_file_in_its_place_is_not_overwritten(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path) as own:
        await connected(own)
        picture = window.shoot()
        (tmp_path / f"{picture.id}.jpg").write_bytes(b"mine")
        await window.upload(picture)
        await window.send(picture.seq)
        (event,) = await take(own, 1)
        assert (event.blob, event.blob_gone) == (None, "conflict")
    assert (tmp_path / f"{picture.id}.jpg").read_bytes() == b"mine"


async def test_what_an_earlier_life_abandoned_is_removed(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    old, new = (tmp_path / ".partial" / f"h.w.{uuid.uuid4()}" for _ in range(2))
    for place in (old, new):
        place.mkdir(parents=True)
        (place / "0").write_bytes(b"x")
    past = time.time() - 4 * 86_400
    os.utime(old, (past, past))
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path):
        assert partial(tmp_path) == [new.name]


async def test_a_folder_that_cannot_be_used_is_told(shared_broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BlobFolderError, match="SUB-115"):
        async with subscriber(shared_broker, BlobWindow(), tmp_path / "file"):
            pass
