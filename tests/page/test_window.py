"""A whole window on its page: real daemon, real broker, simulated devices, real browser."""

from __future__ import annotations

import json
import re
import socket
import urllib.request

import pytest

from tests.page.chromium import Chromium
from tests.page.rig import listens
from tests.support import canaries
from tests.support.broker import free_port
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest
from tests.whole.reloads import problems, reload

CARD = "insert resident seed=11"
OLD = "document.body.className === 'old'"


@pytest.fixture
def page(window: WindowUnderTest, tab: Chromium) -> str:
    """Start a window with a page; return its address, shown in the browser."""
    port = free_port()
    window.page = f"port = {port}"
    window.extra = '[[subscriber]]\nname = "case-system"\n'
    window.device("id-1", "idcard_sdt", 'read = "full"\npurpose = "test"')
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.start()
    url = f"http://127.0.0.1:{port}/"
    wait_until(window.connected, 10, "the daemon is connected")
    tab.open(url)
    tab.until("document.body.className === ''")
    return url


def status(url: str) -> bytes:
    with urllib.request.urlopen(f"{url}status.json", timeout=10) as answer:  # noqa: S310  # our own page
        return bytes(answer.read())


@pytest.mark.slow
def test_a_day_at_a_window(window: WindowUnderTest, tab: Chromium, page: str) -> None:
    """A card is read, a cable pulled, the broker ends and comes back; the page tells each of it, and no name."""
    window.do(f"id-1 {CARD}")
    window.tap.wait_events("read")
    tab.until("/今天完整读取证件 1 次；本机存有含个人信息的记录 1 条，最早一条已存/.test(document.body.innerText)")
    window.do("id-1 remove")
    window.do("pad-1 unplug")
    tab.until("/^SER-105 pad-1 · 评价器 · /.test(document.querySelector('#headline').innerText)")
    window.do("pad-1 plug")
    tab.until("document.querySelector('#devices tbody:last-child .state').innerText === '正常'")
    window.broker.terminate()
    tab.until("/消息服务器：未连接/.test(document.querySelector('#link').innerText)")
    tab.until("/^MQT-/.test(document.querySelector('#headline').innerText)")
    window.do(f"id-1 {CARD}")
    tab.until("/今天完整读取证件 2 次/.test(document.body.innerText)")
    ladder = tab.run("[...document.querySelectorAll('#ladder .number')].map((one) => Number(one.innerText))")
    assert ladder[0] > ladder[2], "what was taken without a broker waits"
    found = [("the page", tab.run("document.documentElement.outerHTML").encode()), ("its JSON", status(page))]
    assert not canaries.found(window.planted, found)
    assert len(window.planted) > 5
    window.broker.start()
    tab.until("/消息服务器：已连接/.test(document.querySelector('#link').innerText)", 30)


@pytest.mark.slow
def test_a_dead_daemon_greys_the_page_within_twelve_seconds(window: WindowUnderTest, tab: Chromium, page: str) -> None:
    window.kill()
    tab.run("window.later += 9000")
    assert not tab.run(OLD)
    tab.until(OLD, 3.0)
    assert re.match(r"已过时：\d+ 秒没有收到本机服务的状态", tab.text("#old"))
    assert all("ERR_CONNECTION_REFUSED" in one for one in tab.complaints)
    tab.complaints.clear()
    window.start()
    tab.until("document.body.className === ''", 15)
    tab.complaints.clear()
    assert page in tab.run("location.href")


def test_a_reload_moves_the_page_and_switches_it_off(window: WindowUnderTest) -> None:
    first, second = free_port(), free_port()
    window.page = f"port = {first}"
    window.device("gun-1", "code_serial", 'content = "public"')
    window.start()
    wait_until(lambda: listens(first))
    window.page = f"port = {second}"
    assert reload(window)["changed"] == ["page.port"]
    wait_until(lambda: listens(second) and not listens(first))
    with socket.create_server(("127.0.0.1", first)):
        window.page = f"port = {first}"
        assert reload(window)["reloaded"] is True
        wait_until(lambda: "SYS-165" in problems(window))
        assert window.states() == {"gun-1": "ready"}
    window.page = "enabled = false"
    assert reload(window)["changed"] == ["page.enabled", "page.port"]
    wait_until(lambda: "SYS-165" not in problems(window))
    assert not listens(second)


@pytest.mark.slow
def test_without_a_store_there_is_a_page(window: WindowUnderTest) -> None:
    port = free_port()
    window.page = f"port = {port}"
    window.device("gun-1", "code_serial", 'content = "public"')
    window.write_config()
    store = window.folder / "state" / "outbox.db"
    store.mkdir()
    window.start(ready=False)
    wait_until(lambda: listens(port), 15)
    found = json.loads(status(f"http://127.0.0.1:{port}/"))
    assert found["said"]["zh"]["headline"]["code"] == "STO-101"
    assert found["status"]["privacy"] is None
    store.rmdir()
    wait_until(lambda: window.states() == {"gun-1": "ready"}, 15)
    wait_until(lambda: json.loads(status(f"http://127.0.0.1:{port}/"))["status"]["privacy"] is not None, 10)
