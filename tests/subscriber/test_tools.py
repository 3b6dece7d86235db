"""``hall-edge listen`` and ``hall-edge request`` as they are typed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.sealing.jwe import new_key
from edge.subscriber import BadArgument
from edge.tools.lines import masked
from edge.tools.request import read_params
from tests.subscriber.blob_window import BlobWindow
from tests.subscriber.fake_window import FakeWindow
from tests.support.broker import Broker
from tests.support.project import ROOT

DEADLINE_S = 20.0
NUMBER = "11010519491231002X"


class Tool:
    """A running ``hall-edge …``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """Return the next line of its output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def said(self, text: str) -> str:
        """Return the lines of its stderr up to the one with *text*."""
        assert self.process.stderr is not None
        lines = ""
        async with asyncio.timeout(DEADLINE_S):
            while text not in lines and (line := await self.process.stderr.readline()):
                lines += line.decode()
        assert text in lines
        return lines

    async def ended(self) -> int:
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def tool(*arguments: object, typed: str = "") -> AsyncIterator[Tool]:
    """Run ``hall-edge`` with *arguments*; *typed* is its standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "edge"),
        *(str(argument) for argument in arguments),
        cwd=ROOT,
        env=os.environ | {"PYTHONUTF8": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(typed.encode())
        process.stdin.close()
        yield Tool(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_listen_prints_events_masked_and_gaps(shared_broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "lab-key.jwk").write_text(json.dumps(key.as_dict(private=True)))
    window = FakeWindow([key])
    where = ("--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall)
    async with (
        window.online(shared_broker.port),
        tool("listen", *where, "--state", tmp_path, "--name", "case-system", "--acknowledge", "--count", 4) as listen,
    ):
        await listen.said("connected")
        await window.send(window.read_card())
        read = await listen.line()
        await window.rate(1, send=False)
        await window.rate(1)
        lines = [await listen.line() for _ in range(4)]
        await window.rate(1)
        lines.append(await listen.line())
        assert await listen.ended() == 0
    assert "w03 id-1      id-card.read" in read
    assert read.endswith("[opened, simulated] mode=fields document=prc-resident holder=0123456789abcdef0123456789abcdef"
                         " name **, number ******** (18, check ok)")  # fmt: skip
    assert lines[0] == f"-- {window.full_name} seq 2 open"
    assert lines[1] == f"-- {window.full_name} seq 2 filled"
    assert ["evaluation-pad.rated" in line for line in lines] == [False, False, True, True, True]
    assert window.acknowledged == 4


async def test_listen_shows_a_person_only_on_request(shared_broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "key.jwk").write_text(json.dumps(key.as_dict(private=True)))
    window = FakeWindow([key])
    where = ("listen", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--key")
    async with (
        window.online(shared_broker.port),
        tool(*where, tmp_path / "key.jwk", "--json", "--count", 1) as hiding,
        tool(*where, tmp_path / "key.jwk", "--json", "--show-personal", "--for", 60) as showing,
    ):
        await hiding.said("connected")
        await showing.said("connected")
        await window.send(window.read_card())
        hidden, shown = json.loads(await hiding.line()), json.loads(await showing.line())
        assert await hiding.ended() == 0
        showing.process.send_signal(signal.SIGINT)
        assert await showing.ended() == 0
    assert hidden["opened"] is True
    assert "person" not in hidden["data"]
    assert shown["data"]["person"] == {"name": "张三", "number": NUMBER}
    assert hidden["data"]["document"] == shown["data"]["document"] == "prc-resident"
    assert window.acks == [], "without --acknowledge it only watches"


async def test_listen_saves_pictures_and_names_the_file(shared_broker: Broker, tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "key.jwk").write_text(json.dumps(key.as_dict(private=True)))
    window = BlobWindow([key])
    where = ("listen", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--key")
    async with (
        window.online(shared_broker.port),
        tool(*where, tmp_path / "key.jwk", "--save", tmp_path / "a", "--count", 2) as plain,
        tool(*where, tmp_path / "key.jwk", "--save", tmp_path / "b", "--json", "--count", 2) as as_json,
    ):
        await plain.said("connected")
        await as_json.said("connected")
        picture = window.shoot(sealed=True)
        await window.upload(picture)
        await window.send(picture.seq)
        await window.rate()
        line, body = await plain.line(), json.loads(await as_json.line())
        assert "blob_path" not in json.loads(await as_json.line())
        assert [await plain.ended(), await as_json.ended()] == [0, 0]
    name = f"{picture.id}.jpg"
    assert line.endswith(f" → {tmp_path}/a/{name}")
    assert "blob_key **" in line
    assert (body["blob_path"], body["blob_gone"]) == (f"{tmp_path}/b/{name}", None)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() == picture.plain
    assert window.asked == window.acks == [], "it only watches"


async def test_listen_for_a_while_says_whether_enough_came(shared_broker: Broker) -> None:
    where = ("listen", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", "nobody", "--for", 0.1)
    async with tool(*where) as plain, tool(*where, "--count", 1) as counting:
        assert (await plain.ended(), await counting.ended()) == (0, 1)


async def test_listen_with_a_wrong_key_says_what_to_do(tmp_path: Path) -> None:
    async with tool("listen", "--url", "mqtt://127.0.0.1:1", "--key", tmp_path / "none.jwk") as listen:
        assert "SEC-111" in await listen.said("none.jwk")
        assert await listen.ended() == 1


async def test_request_prints_every_reply(shared_broker: Broker) -> None:
    window = FakeWindow()
    where = ("--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--window", "w03")
    async with window.online(shared_broker.port), tool("request", *where, "pad-1", "evaluate", "timeout_s=20") as asks:
        lines = [await asks.line() for _ in range(3)]
        assert await asks.ended() == 0
    assert lines[0].startswith("ack         deadline=")
    assert lines[1:] == ["progress    step=1  of=2  text_code=working", 'completion  code=ok  data={"echo": 1}']
    assert window.requests[0].body["params"] == {"timeout_s": 20}


async def test_request_takes_a_personal_parameter_only_from_its_input(shared_broker: Broker) -> None:
    window = FakeWindow()
    where = ("request", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--window", "w03")
    async with (
        window.online(shared_broker.port),
        tool(*where, "id-1", "read", "number=-", "--json", typed=f"{NUMBER}\n") as asks,
        tool(*where, "id-1", "read", f"number={NUMBER}") as refused,
    ):
        assert await asks.ended() == 0
        assert "write number=-" in await refused.said("SUB-103")
        assert await refused.ended() == 1
    (request,) = window.requests
    assert (request.sealed, request.body["params"]) == (True, {"number": NUMBER})


async def test_request_tells_failures_apart(shared_broker: Broker) -> None:
    window = FakeWindow()
    window.answer = lambda _: [{"reply": "completion", "code": "busy"}]
    where = ("request", "--url", f"mqtt://127.0.0.1:{shared_broker.port}", "--hall", window.hall, "--window", "w03")
    async with window.online(shared_broker.port), tool(*where, "pad-1", "evaluate") as busy:
        assert await busy.line() == "completion  code=busy"
        assert await busy.ended() == 1
    async with tool(*where, "pad-1", "evaluate") as offline:
        assert "is offline" in await offline.said("SUB-105")
        assert await offline.ended() == 3


def test_parameters_are_typed_as_the_command_wants_them() -> None:
    assert read_params("evaluate", ["timeout_s=20", "form_id=7"]) == {"timeout_s": 20, "form_id": "7"}
    assert read_params("unheard-of", ["a=1", "b=x", 'c={"d": true}']) == {"a": 1, "b": "x", "c": {"d": True}}
    for wrong in (["timeout_s=soon"], ["no-such=1"], ["timeout_s"]):
        with pytest.raises(BadArgument):
            read_params("evaluate", wrong)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("person", {"name": "张三", "number": NUMBER}, "name **, number ******** (18, check ok)"),
        ("number", "110105194912310021", "number ******** (18, check bad)"),
        ("number", "X" * 18, "number ******** (18, check bad)"),
        ("text", "A health code", "text ******** (13)"),
        ("photo_wlt", "AAAA", "photo_wlt **"),
        ("person", {}, "person **"),
    ],
)
def test_what_a_masked_value_still_says(key: str, value: object, shown: str) -> None:
    assert masked(key, value) == shown
