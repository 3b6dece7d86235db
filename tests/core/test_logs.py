"""What is logged: one line a record, the device in each, and nothing that says who somebody is."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import logs
from edge.links.address import Address
from edge.port import DevicePort
from tests.core.samples import CANARY, PERSON, SAMPLES

Said = Callable[[], list[str]]
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (error|warning|info|debug|traffic) +[a-z.-]+: .*"
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Put back what ``set_up`` changes."""
    root, ours = logging.getLogger(), logging.getLogger("hall-edge")
    before = (root.handlers[:], root.level, ours.level, logging.raiseExceptions, sys.excepthook)
    yield
    root.handlers[:], level, own_level, logging.raiseExceptions, sys.excepthook = before
    root.setLevel(level)
    ours.setLevel(own_level)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Return the lines logged since last asked."""

    def lines() -> list[str]:
        return capsys.readouterr().err.splitlines()

    return lines


# --- forms ---------------------------------------------------------------------------------------


def test_text_is_one_line_with_its_fields(said: Said) -> None:
    logs.set_up()
    logs.for_device("pad-1").warning("it went away", extra={"fields": {"code": "SER-105", "tries": 3, "why": "a b"}})
    (line,) = said()
    assert LINE.fullmatch(line)
    assert line.endswith(' warning device: it went away device=pad-1 code=SER-105 tries=3 why="a b"')


def test_json_is_one_object_a_line(said: Said) -> None:
    logs.set_up(as_json=True)
    logs.for_device("pad-1").info("张 %s", "三", extra={"fields": {"rate": 1.5, "wrong": float("nan"), "on": True}})
    (line,) = said()
    body = json.loads(line, parse_constant=pytest.fail)  # no NaN, which is no JSON
    assert body.pop("time")
    fields = {"device": "pad-1", "rate": 1.5, "wrong": "nan", "on": True}
    assert body == {"level": "info", "part": "device", "message": "张 三", **fields}


@pytest.mark.parametrize("as_json", [False, True])
def test_a_field_cannot_take_the_place_of_what_we_say(said: Said, as_json: bool) -> None:
    logs.set_up(as_json=as_json)
    forged = {"device": "other", "level": "error", "time": "never", "message": "all is well", "part": "x"}
    logs.for_device("pad-1").info("the truth", extra={"fields": forged})
    (line,) = said()
    assert "device=pad-1" in line or '"device": "pad-1"' in line
    assert "other" not in line
    if as_json:
        body = json.loads(line)
        assert (body["message"], body["level"], body["part"]) == ("the truth", "info", "device")


def test_levels_and_foreign_libraries(said: Said) -> None:
    logs.set_up("warning")
    logs.get("app").info("not this")
    logs.get("app").warning("this")
    logging.getLogger("asyncio").info("not this either")
    logging.getLogger("asyncio").warning("and %s", "who")
    logging.getLogger("asyncio").warning("and whoever")
    ours, template, place = (line.rpartition(": ")[2] for line in said())
    assert ours == "this"
    assert template.startswith("and %s library=asyncio at=test_logs.py:")
    assert place.startswith("a library says something library=asyncio at=test_logs.py:")


# --- what must not get in ------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(text=st.text(), as_json=st.booleans())
def test_no_text_can_make_a_second_line(capsys: pytest.CaptureFixture[str], text: str, as_json: bool) -> None:
    logs.set_up(as_json=as_json)
    logs.get("app").info("%s", text, extra={"fields": {"field": text}})
    out = capsys.readouterr().err
    assert out.endswith("\n")
    assert len(out.splitlines()) == 1
    assert out[:-1].isprintable()


def test_long_texts_are_cut(said: Said) -> None:
    logs.set_up()
    logs.get("app").info("x" * 10_000, extra={"fields": {"field": "y" * 10_000}})
    assert sum(map(len, said())) < 1000


@pytest.mark.parametrize("as_json", [False, True])
def test_whatever_holds_a_person_is_shown_by_its_type(said: Said, as_json: bool) -> None:
    logs.set_up("debug", as_json=as_json)
    for value in (PERSON, *SAMPLES, [CANARY], {"name": CANARY}, CANARY.encode(), (CANARY,), PERSON.nation):
        logs.get("app").info("seen %r", value if hasattr(value, "hidden") else 0, extra={"fields": {"value": value}})
    lines = said()
    assert "<CardHolder>" in lines[0]
    assert not [line for line in lines if CANARY in line or "汉" in line]


def test_a_traceback_tells_places_and_not_words(said: Said) -> None:
    logs.set_up()

    def inner(secret: str) -> None:
        raise ValueError(secret)

    try:
        inner(CANARY)
    except ValueError as error:
        logs.get("app").error("it failed", exc_info=error)
        logging.getLogger("paho").exception("foreign")
    first, second = said()
    for line in (first, second):
        assert CANARY not in line
        assert "ValueError at" in line
        assert re.search(r"test_logs\.py:\d+:inner", line)


def test_an_error_that_nobody_caught_tells_no_words_either(said: Said) -> None:
    logs.set_up()
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        sys.excepthook(KeyError, error, error.__traceback__)
    (line,) = said()
    assert "KeyError at" in line
    assert CANARY not in line


async def test_a_callback_that_fails_in_the_loop_tells_no_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.set_up()
    logger = logging.getLogger("asyncio")
    monkeypatch.setattr(logger, "handlers", [])  # the leak guard would take this one for a leak
    done = asyncio.Event()

    def fails(_value: object) -> None:
        done.set()
        raise ValueError(CANARY)

    asyncio.get_running_loop().call_soon(fails, {"name": CANARY})
    await done.wait()
    await asyncio.sleep(0)
    out = capsys.readouterr().err
    assert "ValueError at" in out
    assert len(out.splitlines()) == 1


def test_a_message_that_cannot_be_formatted_is_not_printed(said: Said) -> None:
    logs.set_up()
    logs.get("app").info("%d", CANARY)
    assert CANARY not in "".join(said())


# --- raw bytes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("public", "shown"), [(True, 'hex="aa 55"'), (False, "hex=withheld")])
def test_traffic_is_withheld_unless_its_driver_says_that_it_is_public(said: Said, public: bool, shown: str) -> None:
    logs.set_up("traffic")
    port = tapped(public=public)
    port("<", b"\xaa\x55")
    (line,) = said()
    assert LINE.fullmatch(line)
    assert " traffic device: < device=pad-1 bytes=2 " in line
    assert line.endswith(shown)
    logs.set_up("debug")
    port(">", b"\xaa\x55")
    assert not said()


def tapped(*, public: bool) -> Callable[[str, bytes], Any]:
    port = DevicePort("pad-1", Address("serial", "/nowhere", {}), public_traffic=public)
    return port._tap  # noqa: SLF001  # what a link is given


def test_threads_do_not_mix_their_lines(said: Said) -> None:
    logs.set_up()

    def work(name: str) -> None:
        for number in range(50):
            logs.for_device(name).info("x" * 50, extra={"fields": {"n": number}})

    threads = [threading.Thread(target=work, args=(f"dev-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = said()
    assert len(lines) == 400
    assert all(LINE.fullmatch(line) for line in lines)


@pytest.mark.parametrize("count", range(1, 20))
def test_what_strangers_do_is_logged_ever_less_often(count: int) -> None:
    assert logs.worth_a_line(count) == (count in (1, 2, 4, 8, 16))
