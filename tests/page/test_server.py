"""The page's sockets: where it listens, what it bounds, and that nobody who floods it is felt elsewhere."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.config.tables import Page
from edge.errors import EdgeError
from edge.page import server
from edge.page.http import HEAD_BYTES
from tests.page.rig import Told, listens, served
from tests.support.broker import free_port
from tests.support.wait import wait_until_async


async def said(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    """Send *data*; return all that comes back."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(data)
    with suppress(ConnectionError):
        writer.write_eof()
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def get(port: int, path: str = "/status.json", method: str = "GET", host: str = "127.0.0.1") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()


async def test_the_status_is_that_of_the_daemon_with_words_in_both_languages() -> None:
    async with served(Told()) as told:
        answer = await said(told.port, get(told.port))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"content-length: {len(body)}" in head.decode().lower()
    found = json.loads(body)
    assert found["status"] == told.shown
    assert found["said"]["zh"]["devices"]["id-1"] == {"kind": "身份证阅读器", "state": "正常"}
    assert found["said"]["en"]["devices"]["id-1"] == {"kind": "ID-card reader", "state": "ready"}


async def test_it_is_on_the_loopback_and_nowhere_else() -> None:
    async with served(Told()) as told:
        assert not listens(told.port, "127.0.0.2")
        if (own := own_address()) is not None:
            assert not listens(told.port, own)
        if listens(told.port, "::1"):  # where there is IPv6 at all
            assert b" 200 " in await said(told.port, get(told.port, "/", host="[::1]"), "::1")


def own_address() -> str | None:
    """Return the address of this PC on its network, if it is on one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return str(probe.getsockname()[0]) if probe.connect_ex(("192.0.2.1", 9)) == 0 else None


async def test_a_head_has_no_body_and_a_refusal_comes_whole_however_much_is_sent() -> None:
    async with served(Told()) as told:
        head = await said(told.port, get(told.port, "/page.js", "HEAD"))
        assert head.endswith(b"\r\n\r\n")
        assert b" 200 OK" in head
        post = (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{told.port}\r\nContent-Length: 40000\r\n\r\n".encode() + b"x" * 40_000
        )
        assert b" 405 " in await said(told.port, post)
        long = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{told.port}\r\nX: ".encode() + b"y" * (HEAD_BYTES + 5000)
        assert b" 431 " in await said(told.port, long)
        assert told.asked == 0


async def test_who_is_slow_or_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CALL_S", 0.2)
    async with served(Told()) as told:
        slow = [await asyncio.open_connection("127.0.0.1", told.port) for _ in range(3 * server.MOST_CALLS)]
        for _, writer in slow:
            writer.write(b"GET / HT")
        began = time.monotonic()
        assert b" 200 " in await said(told.port, get(told.port))
        assert time.monotonic() - began < 2
        for reader, writer in slow:
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def test_a_flood_takes_little_of_the_loop() -> None:
    """Sixty-four callers ask all the time for a second: the loop's other work is never late by much."""
    async with served(Told()) as told:
        stop, late = time.monotonic() + 1.0, []

        async def ask() -> None:
            while time.monotonic() < stop:
                with suppress(OSError, TimeoutError):
                    await asyncio.wait_for(said(told.port, get(told.port)), 1)

        async def watch() -> None:
            while time.monotonic() < stop:
                began = time.monotonic()
                await asyncio.sleep(0.01)
                late.append(time.monotonic() - began - 0.01)

        await asyncio.gather(watch(), *(ask() for _ in range(64)))
        assert sorted(late)[len(late) // 2] < 0.02
        assert told.asked <= 4, "what is shown is made at most twice a second"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200) | st.sampled_from([b"\r\n", b"GET / HTTP/1.1", b"\r\n\r\n"]), max_size=12))
def test_hostile_bytes_get_an_answer_or_an_end(pieces: list[bytes]) -> None:
    async def talk() -> None:
        async with served(Told()) as told:
            answer = await said(told.port, b"".join(pieces))
            assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
            assert b" 200 " in await said(told.port, get(told.port, "/"))

    asyncio.run(talk())


async def test_a_taken_port_is_told_with_an_action_and_served_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_RETRY_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as other:
        told = Told(port=other.getsockname()[1])
        async with served(told, ready=False):
            await wait_until_async(lambda: told.board.page)
            (problem,) = told.board.page
            assert (problem.code, problem.level) == ("SYS-165", "notice")
            assert problem.message == f"the status page cannot be served on port {told.port}: Address already in use"
            assert "[page] another port" in problem.action
            other.close()
            await wait_until_async(lambda: not told.board.page)
            assert b" 200 " in await said(told.port, get(told.port))


async def test_a_reload_moves_it_switches_it_off_and_on() -> None:
    async with served(Told()) as told:
        old, new = told.port, free_port()
        told.page.renew(Page(port=new))
        await wait_until_async(lambda: listens(new) and not listens(old))
        told.page.renew(Page(enabled=False))
        await wait_until_async(lambda: not listens(new))
        told.page.renew(Page(port=old))
        await wait_until_async(lambda: listens(old))
        assert b" 200 " in await said(old, get(old))


async def test_a_daemon_that_cannot_tell_its_state_says_so() -> None:
    async with served(Told()) as told:
        told.error = EdgeError("one of its files is damaged", code="SYS-170", action="install it anew")
        answer = await said(told.port, get(told.port))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith("SYS-170: one of its files is damaged — install it anew\n".encode())
        told.error = None
        assert b" 200 " in await said(told.port, get(told.port))


async def test_a_bug_ends_one_conversation_and_not_the_page(caplog: pytest.LogCaptureFixture) -> None:
    async with served(Told()) as told:
        told.shown = {"nonsense": True}
        assert await said(told.port, get(told.port)) == b""
        assert b" 200 " in await said(told.port, get(told.port, "/"))
    assert "a bug in the status page" in caplog.text
