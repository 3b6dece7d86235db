"""The search for personal data finds what is planted: in every form, in every place, and quickly."""

from __future__ import annotations

import base64
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.people import citizen
from tests.support import canaries, places
from tests.support.broker import Broker
from tests.support.canaries import Canary
from tests.support.search import Search
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

PERSON = citizen("resident seed=7 addresses=1")
ACCOUNT = "6222020200112233445"
NEEDLE = st.binary(min_size=4, max_size=12)


# --- every form ----------------------------------------------------------------------------------


def shifted(raw: bytes, by: int) -> bytes:
    return base64.b64encode(b"{" * by + raw + b"}" * 3)


FORMS: dict[str, Callable[[str], bytes]] = {
    "raw": str.encode,
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 behind one": lambda text: shifted(text.encode(), 1),
    "base64 behind two": lambda text: shifted(text.encode(), 2),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 of GBK": lambda text: base64.b64encode(text.encode("gb18030")),
    "hex": lambda text: text.encode().hex().encode(),
    "hex in capitals": lambda text: text.encode().hex().upper().encode(),
    "hex with spaces": lambda text: text.encode().hex(" ").encode(),
    "hex of UTF-16": lambda text: text.encode("utf-16-le").hex().encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 the other way": lambda text: text.encode("utf-16-be"),
    "GB 18030": lambda text: text.encode("gb18030"),
    "URL": lambda text: quote(text).encode(),
    "URL in GBK": lambda text: quote(text.encode("gbk")).encode(),
    "a repr": lambda text: repr(text.encode()).encode(),
    "a repr of GBK": lambda text: repr(text.encode("gbk")).encode(),
    "JSON": lambda text: json.dumps({"x": text}).encode(),
    "escapes": lambda text: ascii(text).encode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("text", ["张三三", PERSON.name + "氏", PERSON.number, PERSON.address, ACCOUNT], ids=str)
def test_a_text_is_found_in_every_form(text: str, form: Callable[[str], bytes]) -> None:
    noise = random.Random(7).randbytes(5000)
    assert canaries.found([text], [("here", noise + form(text) + noise)])
    assert not canaries.found([text], [("here", noise)])


@pytest.mark.parametrize("form", [bytes, base64.b64encode, base64.urlsafe_b64encode, lambda data: data.hex().encode()])
@pytest.mark.parametrize("picture", [PERSON.photo, random.Random(8).randbytes(200_000)], ids=["photo", "page"])
def test_a_picture_is_found_by_any_part_of_it(picture: bytes, form: Callable[[bytes], bytes]) -> None:
    part = picture[:600] if len(picture) < 2000 else picture[70_001:120_000]
    assert canaries.found([picture], [("here", b"noise" * 100 + form(part))])
    assert not canaries.found([picture], [("here", form(random.Random(9).randbytes(100_000)))])


def test_a_photo_is_found_by_its_digest() -> None:
    digest = next(text for text in canaries.of_citizen(PERSON) if isinstance(text, str) and len(text) == 64)
    assert canaries.found(canaries.of_citizen(PERSON), [("a log", f"photo={digest}".encode())])


def test_accounts_and_numbers_of_social_security_cards_are_planted() -> None:
    planted = canaries.of_line("card-1 insert social-security seed=7")
    assert "S00000007" in planted
    assert any(isinstance(text, bytes) for text in planted)
    assert canaries.of_line(f"gun-1 scan {ACCOUNT}") == [ACCOUNT]


@given(st.lists(NEEDLE, min_size=1, max_size=20), st.binary(max_size=60), st.data())
def test_the_search_finds_what_a_plain_search_finds(needles: list[bytes], noise: bytes, data: st.DataObject) -> None:
    text = b"".join(data.draw(st.lists(st.sampled_from([*needles, noise]), max_size=12)))
    hits = set(Search(zip(needles, range(len(needles)), strict=True))(text))
    slow = {(at, n) for n, one in enumerate(needles) for at in range(len(text)) if text.startswith(one, at)}
    assert hits == slow


def test_the_search_finds_across_its_blocks() -> None:
    block = 4 << 20
    for at in (block - 3, block - 1, block, 2 * block - 2):
        text = bytes(at) + b"needle" + bytes(9)
        assert list(Search([(b"needle", 1)])(text)) == [(at, 1)]
    assert list(Search([(b"needle", 1)])(b"ne")) == []


def test_ten_megabytes_take_a_moment(record_property: Callable[[str, object], None]) -> None:
    people = [canary for seed in range(5) for canary in canaries.of_citizen(citizen(f"resident seed={seed}"))]
    data = random.Random(1).randbytes(10 << 20)
    began = time.process_time()
    assert not canaries.found(people, [("here", data)])
    took_s = time.process_time() - began
    record_property("10 MiB, five citizens, s", round(took_s, 3))
    assert took_s < 1.0  # 0.2 s; what counts is that it is no product of both


# --- every place ---------------------------------------------------------------------------------

DAEMON = """
import json, os, subprocess, sys, tempfile, time
from pathlib import Path
ports = Path(__file__).parent
where, canary = json.loads((ports / "plan").read_text())
if where == "an unlinked file":
    hidden = tempfile.TemporaryFile()
    hidden.write(canary.encode())
    hidden.flush()
words = [canary] if where == "a command line" else []
env = {**os.environ, "X": canary} if where == "an environment" else dict(os.environ)
child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()", *words], env=env,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
(ports / "up").touch()
time.sleep(60)
"""
"""Does one thing wrong, and lets a child do it. The folder ``ports`` is the simulators', and is not searched."""
FILES = {
    "the log": "daemon.log",
    "the store": "state/outbox.db",
    "its write-ahead log": "state/outbox.db-wal",
    "a row's key": "state/slots/7",
    "a blob": "state/blobs/0193f0a0-0000-7000-8000-000000000000",
    "a temporary file": "tmp/page",
    "a core file": "tmp/core.123",
}
SHOWN = ["a command line", "an environment", "an unlinked file"]


@pytest.fixture
def other(short_path: Path, tmp_path: Path) -> Iterator[WindowUnderTest]:
    """A window whose daemon is none; what it leaves behind is the test's business."""
    (tmp_path / "broker").mkdir()
    with Broker(tmp_path / "broker", persistent=True) as broker:
        window = WindowUnderTest(short_path, broker)
        window.planted = [PERSON.name + "氏", ACCOUNT]
        yield window
        window.tap.close()
        window.bench.close()
        window.stop()


@pytest.mark.parametrize("canary", [0, 1])
@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_a_leak_into_a_file_is_found(other: WindowUnderTest, name: str, canary: int) -> None:
    other.write_config()
    assert not other.leaks()
    path = other.folder / name
    path.parent.mkdir(exist_ok=True)
    leaked = other.planted[canary]
    assert isinstance(leaked, str)
    path.write_bytes(os.urandom(3000) + leaked.encode("utf-16-le"))
    (found,) = other.leaks()
    assert name in found
    assert str(leaked) not in found


def runs(window: WindowUnderTest, where: str, *words: str) -> None:
    """Start what does *where* wrong."""
    ports = window.folder / "ports"
    ports.mkdir(exist_ok=True)
    (ports / "daemon.py").write_text(DAEMON, encoding="utf-8")
    (ports / "plan").write_text(json.dumps([where, ACCOUNT]), encoding="utf-8")
    (ports / "up").unlink(missing_ok=True)
    window.program = [sys.executable, str(ports / "daemon.py"), *words]
    window.start(ready=False)
    wait_until((ports / "up").exists, what="it runs")


@pytest.mark.parametrize("where", SHOWN)
def test_a_leak_that_the_system_shows_is_found(other: WindowUnderTest, where: str) -> None:
    runs(other, "nowhere")
    assert not other.leaks()
    other.stop()
    runs(other, where)
    (found,) = other.leaks()
    assert {"a command line": "cmdline", "an environment": "environ"}.get(where, where) in found


@pytest.mark.parametrize("retain", [False, True])
def test_a_leak_to_the_broker_is_found_in_its_traffic_and_in_its_store(other: WindowUnderTest, retain: bool) -> None:
    other.tap.publish("nothing", {"x": ACCOUNT}, retain=retain)
    wait_until(other.leaks, what="it was heard")
    assert any("broker traffic" in one for one in other.leaks())
    if retain:
        other.broker.save()
        assert any("mosquitto.db" in one for one in other.leaks())


def test_a_leak_into_a_topic_is_found(other: WindowUnderTest) -> None:
    other.tap.publish(f"nothing/{ACCOUNT}", {})
    wait_until(lambda: any("a topic" in one for one in other.leaks()), what="it was heard")


@pytest.mark.parametrize("head", canaries.OPEN_PICTURES.values(), ids=canaries.OPEN_PICTURES)
def test_a_picture_in_clear_is_found_unless_it_is_public(other: WindowUnderTest, head: bytes) -> None:
    other.write_config()
    (other.folder / "state" / "page").write_bytes(os.urandom(2000) + head + os.urandom(2000))
    (found,) = other.leaks()
    assert "state/page" in found
    other.foreign("scan-1", "scanner_escl", "http://127.0.0.1:1", 'content = "public"')
    assert not other.leaks()


def test_a_process_that_would_dump_its_memory_is_found(other: WindowUnderTest) -> None:
    runs(other, "nowhere", "-m", "edge")
    assert other.process is not None
    assert any("crash handler" in one for one in places.that_dump(other.process.pid))
    core = other.folder / "state" / "core.1"
    core.touch()
    assert places.dumped(other.folder) == [str(core)]


def test_pieces_of_one_colour_prove_nothing() -> None:
    blank: list[Canary] = [bytes(100_000)]
    assert not canaries.found(blank, [("here", bytes(200_000))])
