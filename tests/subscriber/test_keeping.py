"""``hall-edge listen --save``: every event once in a file, over kills; acknowledged only when that is asked for."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from edge.sealing.jwe import new_key
from edge.subscriber import NewStore
from edge.tools.keeping import Keeper, NotKept
from tests.subscriber.blob_window import BlobWindow
from tests.subscriber.fake_window import FakeWindow
from tests.subscriber.test_tools import tool
from tests.support.broker import Broker
from tests.support.wait import wait_until_async

DEADLINE_S = 20.0


def kept(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [found for found in map(json.loads, whole.splitlines()) if "event" in found]


def seqs(folder: Path) -> list[int]:
    return [int(found["event"]["seq"]) for found in kept(folder)]


@pytest.mark.parametrize("acknowledge", [True, False])
async def test_it_goes_on_where_it_was_killed(shared_broker: Broker, tmp_path: Path, acknowledge: bool) -> None:
    window = FakeWindow()
    own = tmp_path / "kept"
    where = ["listen", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--save", own]
    where += ["--acknowledge", "--name", "case-system"] if acknowledge else []
    async with window.online(shared_broker.port):
        async with tool(*where) as first:
            await first.said("connected")
            await window.rate(300)
            await wait_until_async(lambda: len(kept(own)) > 120, DEADLINE_S, "some are kept")
            first.process.kill()
        with (own / "events.jsonl").open("ab") as file:
            file.write(b'{"window": "half a li')
        await window.rate(5)
        async with tool(*where) as again:
            await wait_until_async(lambda: len(kept(own)) == 305, DEADLINE_S, "all are kept")
            again.process.terminate()
            assert await again.ended() == 0
    assert seqs(own) == list(range(1, 306))
    assert (own / "events.jsonl").stat().st_mode & 0o777 == 0o600
    assert window.acknowledged == (305 if acknowledge else 0)
    assert bool(window.acks) == acknowledge


async def test_bodies_are_opened_only_with_a_key_and_pictures_are_files(shared_broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "key.jwk").write_text(json.dumps(key.as_dict(private=True)))
    (tmp_path / "key.jwk").chmod(0o600)
    window = BlobWindow([key])
    where = ["listen", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--count", 2]
    async with (
        window.online(shared_broker.port),
        tool(*where, "--save", tmp_path / "with", "--key", tmp_path / "key.jwk") as opening,
        tool(*where, "--save", tmp_path / "without") as plain,
    ):
        await opening.said("connected")
        await plain.said("connected")
        picture = window.shoot(sealed=True)
        await window.upload(picture)
        await window.send(picture.seq, window.read_card())
        assert [await opening.ended(), await plain.ended()] == [0, 0]
    page, card = kept(tmp_path / "with")
    assert (page["opened"], page["blob_file"]) == (True, f"{picture.id}.jpg")
    assert (tmp_path / "with" / f"{picture.id}.jpg").read_bytes() == picture.plain
    assert card["event"]["data"]["person"]["name"] == "张三"
    assert card["window"] == window.full_name
    page, card = kept(tmp_path / "without")
    assert (page["opened"], page["blob_file"]) == (False, None)
    assert "person" not in card["event"]["data"]


async def test_a_gap_is_written_down(shared_broker: Broker, tmp_path: Path) -> None:
    window = FakeWindow()
    where = ("listen", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--save", tmp_path)
    async with window.online(shared_broker.port), tool(*where, "--count", 2) as listen:
        await listen.said("connected")
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        assert await listen.ended() == 0
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line.get("state") for line in lines] == [None, "open", "lost", None]
    assert (lines[1]["first"], lines[1]["last"]) == (2, 2)


def test_what_cannot_be_written_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotKept, match="File exists"):
        Keeper(tmp_path / "file")
    keeper = Keeper(tmp_path)
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(NotKept, match="No space"):
        keeper.note(NewStore(window="h/w", epoch=2, old_epoch=1, last_seq=3))
    keeper.close()


def _full(_handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_its_name_stays_the_same(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    assert keeper.name("archive") == "archive"
    assert keeper.name(None) != keeper.name(None)
    keeper.position.write_text('{"subscriber": "listen-abc"}')
    assert keeper.name(None) == "listen-abc"
    keeper.position.write_text("[]")
    with pytest.raises(NotKept):
        keeper.name(None)
    keeper.close()
