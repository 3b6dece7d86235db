"""Blobs at the subscriber, over a real broker: whole files with their events, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from edge.blobs.parts import TAG_BYTES
from edge.sealing.jwe import new_key
from edge.subscriber import Event, Gap, Limits, Notice, Subscriber
from tests.subscriber.blob_window import PART, BlobWindow, Picture
from tests.subscriber.test_subscriber import DEADLINE_S, connected, take
from tests.support.broker import Broker
from tests.support.wait import wait_until_async

QUICK = Limits(
    ask_after_s=0.1, tail_grace_s=0.2, ask_every_s=0.3, ack_every_s=0.1, gap_limit_s=30, blob_ask_after_s=0.2,
    ask_pause_s=1.0,
)  # fmt: skip


def subscriber(broker: Broker, window: BlobWindow, folder: Path | None, **more: Any) -> Subscriber:
    settings: dict[str, Any] = {"name": "case-system", "hall": window.hall, "limits": QUICK, "blobs": folder, **more}
    return Subscriber(f"mqtt://127.0.0.1:{broker.port}", **settings)


def check(event: Event, picture: Picture, suffix: str = "jpg") -> None:
    assert event.blob is not None
    assert event.blob_gone is None
    assert event.blob.path.name == f"{picture.id}.{suffix}"
    assert event.blob.path.read_bytes() == picture.plain
    assert (event.blob.size, event.blob.sha256) == (len(picture.plain), picture.manifest["sha256"])


def partial(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".partial").iterdir())


def names(folder: Path, pattern: str = "*") -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


# --- whole ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("order", ["event first", "blob first", "mixed and doubled"])
async def test_an_event_comes_with_its_whole_picture(
    shared_broker: Broker, tmp_path: Path, sealed: bool, order: str
) -> None:
    key = new_key()
    window = BlobWindow([key])
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, tmp_path, keys=[key]) as own,
    ):
        await connected(own)
        picture = window.shoot(sealed=sealed)
        numbers = list(range(len(picture.parts)))
        if order == "event first":
            await window.send(picture.seq)
        if order == "mixed and doubled":
            numbers = random.Random(3).sample(numbers, len(numbers)) + numbers[:3]
            await window.upload(picture, numbers[:4], manifest=False)
            await window.send(picture.seq)
            await window.upload(picture, numbers[4:])
            await window.upload(picture)
        else:
            await window.upload(picture)
        await window.send(picture.seq)
        await window.rate()
        first, second = await take(own, 2)
        check(first, picture)
        assert (first.opened, second.blob, second.blob_gone) == (sealed, None, None)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged")
        assert window.asked == []
    assert partial(tmp_path) == []


async def test_it_is_acknowledged_only_when_its_picture_is_safe(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    window.deaf = True
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path) as own:
        await connected(own)
        await window.rate()
        picture = window.shoot()
        await window.send(picture.seq)
        await window.upload(picture, [0, 1, 2])
        await take(own, 1)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 1, DEADLINE_S, "the first is acknowledged")
        await wait_until_async(lambda: len(window.asked) >= 2, DEADLINE_S, "the rest is asked for again and again")
        assert window.asked[0] == {"blob": picture.id, "parts": [[3, 5]]}
        assert all(not ack["missing"] for ack in window.acks)  # the event itself is here: that is not asked for
        assert window.acknowledged == 1
        window.deaf = False
        (event,) = await take(own, 1)
        check(event, picture)


async def test_without_blobs_they_are_neither_fetched_nor_waited_for(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window, None) as own:
        await connected(own)
        picture = window.shoot()
        await window.send(picture.seq)
        (event,) = await take(own, 1)
        assert (event.blob, event.blob_gone, event.data["blob"]["id"]) == (None, None, picture.id)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 1, DEADLINE_S, "acknowledged")
    assert names(tmp_path) == []


async def test_a_sealed_picture_is_not_waited_for_without_a_key(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow([new_key()])
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path) as own:
        await connected(own)
        picture = window.shoot(sealed=True)
        await window.upload(picture)
        await window.send(picture.seq)
        (event,) = await take(own, 1)
        assert (event.blob, event.opened) == (None, False)


async def test_sealed_parts_stay_sealed_until_the_key_is_here(shared_broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    window = BlobWindow([key])
    window.deaf = True
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path, keys=[key]) as own:
        await connected(own)
        picture = window.shoot(sealed=True)
        await window.upload(picture)
        await window.send(picture.seq, views=["event"])
        place = tmp_path / ".partial" / f"{window.hall}.w03.{picture.id}"
        await wait_until_async(lambda: place.is_dir() and len(list(place.iterdir())) == 7, DEADLINE_S, "all parts")
        kept = b"".join((place / str(number)).read_bytes() for number in range(6))
        assert kept == b"".join(picture.parts)
        assert len(kept) == len(picture.plain) + 6 * TAG_BYTES
        assert not names(tmp_path, "*.jpg")
        await window.send(picture.seq, views=["sealed"])
        check((await take(own, 1))[0], picture)


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [("image/png", "png"), ("image/tiff", "tif"), ("application/pdf", "pdf"), ("video/newer", "bin")],
)
async def test_files_are_named_by_their_type(
    shared_broker: Broker, tmp_path: Path, media_type: str, suffix: str
) -> None:
    window = BlobWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path) as own:
        await connected(own)
        picture = window.shoot(10, media_type=media_type)
        await window.upload(picture)
        await window.send(picture.seq)
        (event,) = await take(own, 1)
        check(event, picture, suffix)
        assert event.blob is not None
        assert event.blob.media_type == media_type


# --- order ---------------------------------------------------------------------------------------


async def test_later_events_wait_for_a_picture_and_then_go_on(shared_broker: Broker, tmp_path: Path) -> None:
    window, told = BlobWindow(), list[Notice]()
    limits = Limits(ack_every_s=0.1, gap_limit_s=1.0, blob_ask_after_s=60)
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, tmp_path, limits=limits, on_notice=told.append) as own,
    ):
        await connected(own)
        picture = window.shoot()
        await window.send(picture.seq)
        await window.upload(picture, [0])
        await window.rate()
        began = time.monotonic()
        (rated,) = await take(own, 1)
        assert time.monotonic() - began >= 0.8
        assert (rated.seq, rated.late) == (2, False)
        assert [(gap.first, gap.last, gap.state) for gap in told if isinstance(gap, Gap)] == [
            (1, 1, "open"), (1, 1, "lost"),
        ]  # fmt: skip
        await window.upload(picture, range(1, 6))
        (late,) = await take(own, 1)
        assert late.late
        check(late, picture)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged")


async def test_an_observer_asks_nothing_and_does_not_wait_for_ever(shared_broker: Broker, tmp_path: Path) -> None:
    window = BlobWindow()
    limits = Limits(gap_limit_s=60, blob_limit_s=0.5)
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, tmp_path, limits=limits, observe=True) as own,
    ):
        await connected(own)
        half, whole = window.shoot(), window.shoot()
        await window.upload(half, [0, 1])
        await window.upload(whole)
        await window.send(half.seq, whole.seq)
        first, second = await take(own, 2)
        assert (first.blob, first.blob_gone) == (None, "not-received")
        check(second, whole)
        assert window.asked == []


async def test_many_pictures_and_events_at_once(shared_broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    window = BlobWindow([key])
    async with window.online(shared_broker.port), subscriber(shared_broker, window, tmp_path, keys=[key]) as own:
        await connected(own)
        pictures = [window.shoot(3 * PART, sealed=number % 2 == 0) for number in range(60)]

        async def send() -> None:
            for picture in pictures:
                await window.send(picture.seq)
                await window.upload(picture)

        sending = asyncio.create_task(send())
        events = await take(own, 60)
        await sending
        for event, picture in zip(events, pictures, strict=True):
            check(event, picture)
