"""``docs/back-office.md`` says what is so: its programs run, its access list is enough."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.sealing.jwe import new_key, read_key
from edge.subscriber import Login, Subscriber
from tests.subscriber.blob_window import BlobWindow
from tests.subscriber.fake_window import FakeWindow
from tests.subscriber.test_subscriber import DEADLINE_S, connected, take
from tests.subscriber.test_tools import Tool
from tests.support.broker import Broker
from tests.support.project import ROOT
from tests.support.wait import wait_until_async

TEXT = (ROOT / "docs" / "back-office.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', TEXT, re.DOTALL | re.MULTILINE))
PASSWORD = uuid.uuid4().hex
BROKER = "mqtt://127.0.0.1:1883"
HALL_EDGE = f"{sys.executable} -m edge"


def program(name: str, folder: Path, port: int) -> Path:
    """Write the program *name* of the page to *folder*, with our broker's port."""
    path = folder / name
    path.write_text(BLOCKS[name].replace(BROKER, f"mqtt://127.0.0.1:{port}"), encoding="utf-8")
    return path


async def started(path: Path) -> Tool:
    return Tool(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-u", str(path)),
            cwd=path.parent,
            env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )


async def killed(running: Tool) -> str:
    """End a program that would run for ever; return what it complained about."""
    if running.process.returncode is None:
        running.process.kill()
    return (await running.process.communicate())[1].decode()


async def listens(broker: Broker, window: FakeWindow, name: str) -> None:
    topic = f"hall-edge-subscriber-{name} 1 hall/v1/+/+/event"
    await wait_until_async(lambda: topic in broker.log_text(), DEADLINE_S, f"{name} listens to {window.full_name}")


def test_the_page_holds_what_the_tests_run() -> None:
    assert BLOCKS.keys() == {"ratings.py", "keep.sh", "make_key.py", "cards.py", "pages.py", "ask.py", "acl"}
    assert len(BLOCKS["keep.sh"].splitlines()) <= 10
    assert len(BLOCKS["ratings.py"].split("async def main", 1)[1].strip().splitlines()) < 10
    for code in re.findall(r"^```python.*?\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        compile(code, "back-office.md", "exec")


async def test_the_ten_lines_print_ratings_and_acknowledge_them(broker: Broker, tmp_path: Path) -> None:
    window = FakeWindow()
    running = await started(program("ratings.py", tmp_path, broker.port))
    async with window.online(broker.port):
        await listens(broker, window, "case-system")
        await window.rate(2)
        assert await running.line() == f"{window.hall} w03 simulated 5"
        await wait_until_async(lambda: window.acknowledged >= 1, DEADLINE_S, "acknowledged")
    assert await killed(running) == ""
    assert (tmp_path / "position.json").exists()


async def test_the_lines_of_shell_keep_every_event(broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    path = program("keep.sh", tmp_path, broker.port)
    (tmp_path / "archive.private.jwk").write_text(json.dumps(key.as_dict(private=True)))
    (tmp_path / "archive.private.jwk").chmod(0o600)
    path.write_text(path.read_text().replace("/var/lib/archive", "kept").replace("hall-edge ", f"exec {HALL_EDGE} "))
    window = FakeWindow([key], hall="my-hall")
    async with window.online(broker.port):
        running = await asyncio.create_subprocess_exec(
            "sh", str(path), cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        listen = Tool(running)
        await listen.said("connected")
        await window.send(window.read_card())
        await listen.line()
        await wait_until_async(lambda: window.acknowledged == 1, DEADLINE_S, "acknowledged")
    await killed(listen)
    (line,) = (tmp_path / "kept" / "events.jsonl").read_text().splitlines()
    assert json.loads(line)["event"]["data"]["person"]["name"] == "张三"


async def test_a_key_is_made_and_opens_a_card(broker: Broker, tmp_path: Path) -> None:
    making = await started(program("make_key.py", tmp_path, broker.port))
    assert await making.ended() == 0
    assert await killed(making) == ""
    assert (tmp_path / "case-system.private.jwk").stat().st_mode & 0o777 == 0o600
    window = FakeWindow([read_key(tmp_path / "case-system.jwk")])
    running = await started(program("cards.py", tmp_path, broker.port))
    async with window.online(broker.port):
        await listens(broker, window, "case-system")
        await window.send(window.read_card())
        assert await running.line() == "a card for None with 18 digits"
        await window.rate(1, send=False)
        await window.rate(1)
        assert await running.line() == f"{window.full_name} seq 2 open"
    assert await killed(running) == ""


async def test_a_picture_is_put_into_the_folder(broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "case-system.private.jwk").write_text(json.dumps(key.as_dict(private=True)))
    (tmp_path / "case-system.private.jwk").chmod(0o600)
    assert len(BLOCKS["pages.py"].split("async def main", 1)[1].strip().splitlines()) <= 12
    window = BlobWindow([key])
    running = await started(program("pages.py", tmp_path, broker.port))
    async with window.online(broker.port):
        await listens(broker, window, "case-system")
        topic = "hall-edge-subscriber-case-system-blobs 1 hall/v1/+/+/blob"
        await wait_until_async(lambda: topic in broker.log_text(), DEADLINE_S, "it listens to blobs")
        whole, gone = window.shoot(sealed=True), window.shoot()
        window.gone_blobs[gone.id] = "lost"
        await window.upload(whole)
        await window.send(whole.seq, gone.seq)
        assert await running.line() == f"scanner 1 pictures/{whole.id}.jpg 5001"
        assert (await running.line()).endswith("seq 2 simulated> comes without its picture: lost")
    assert (tmp_path / "pictures" / f"{whole.id}.jpg").read_bytes() == whole.plain
    assert await killed(running) == ""


async def test_a_command_is_sent_and_completed(broker: Broker, tmp_path: Path) -> None:
    window = FakeWindow(hall="my-hall")
    async with window.online(broker.port):
        running = await started(program("ask.py", tmp_path, broker.port))
        assert [await running.line() for _ in range(3)] == ["ack ", "progress working", "ok None"]
        assert await running.ended() == 0
    assert await killed(running) == ""


@pytest.fixture
def strict_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker with the page's access list; the window may do everything below its branch."""
    rules, passwords, folder = tmp_path / "acl", tmp_path / "passwords", tmp_path / "strict"
    rules.write_text(BLOCKS["acl"] + "\nuser window\ntopic readwrite hall/v1/my-hall/w03/#\n")
    rules.chmod(0o600)
    passwords.write_text(f"case-system:{PASSWORD}\nwindow:{PASSWORD}\n")
    passwords.chmod(0o600)
    hashing = shutil.which("mosquitto_passwd")
    assert hashing is not None
    subprocess.run([hashing, "-U", str(passwords)], check=True)
    folder.mkdir()
    extra = [f"acl_file {rules}", f"password_file {passwords}", "allow_anonymous false"]
    with Broker(folder, extra=extra) as own:
        yield own


async def test_the_access_list_is_enough(
    strict_broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    window = BlobWindow(hall="my-hall")
    login = Login(username="case-system", password=PASSWORD)
    assert PASSWORD not in repr(login)
    url = f"mqtt://127.0.0.1:{strict_broker.port}"
    async with (
        window.online(strict_broker.port, username="window", password=PASSWORD),
        Subscriber(
            url, name="case-system", hall="my-hall", keys=[window.key], login=login, blobs=tmp_path / "blobs"
        ) as own,
    ):
        await connected(own)
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        picture = window.shoot()
        await window.upload(picture, [0, 1, 2])
        await window.send(picture.seq)
        assert (await take(own, 4))[3].blob
        own.done()
        assert (await own.request("w03", "pad-1", "evaluate")).ok
        await wait_until_async(lambda: window.acknowledged == 4, DEADLINE_S, "acknowledged")
    assert "SUB-" not in caplog.text
