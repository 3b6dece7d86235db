"""Bad requests of every sort: none is accepted, each gets one completion or is dropped, nothing crashes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter as Tally
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.commands.requests import Refusal, parse
from edge.delivery.transport import Message
from edge.jobs import DeviceJob
from tests.core.commands_rig import CARD, PAD, Counter, counter, request
from tests.core.samples import CANARY
from tests.support.window import BASE

EXAMPLES = 2000

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NO_TEXT = st.none() | st.booleans() | st.integers() | st.lists(st.integers(), max_size=2)
NO_ID = st.text(max_size=40).filter(lambda text: len(text) != 36) | st.sampled_from(
    ["x" * 36, "0" * 35 + "g", "０" * 36]
)
TIMES = (
    *("2026-11-22T08:00:00", "2026-11-22", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    *("2099-01-01T00:00:00Z", "now"),
)
NO_TIME = st.text(max_size=30) | st.sampled_from(TIMES)
BAD_EVALUATE = st.sampled_from(
    [
        {"timeout_s": 2}, {"timeout_s": 181}, {"timeout_s": "30"}, {"timeout_s": 30.5}, {"timeout_s": None},
        {"timeout_s": 10**30}, {"form_id": "two words"}, {"form_id": "x" * 65}, {"form_id": "a\n"}, {"staff": "12a"},
        {"staff": "1234567"}, {"staff": 12}, {"level": 5}, {"": 1}, {"timeout_s": True}, {"form_id": ["a"]},
    ]
)  # fmt: skip


def deep(kind: str, depth: int) -> bytes:
    opening, closing = ("[", "]") if kind == "list" else ('{"a":', "}")
    nested = opening * depth + ("1" if kind == "dict" else "") + closing * depth
    return json.dumps({"request_id": "0" * 36, "deadline": "x", "params": {}}).replace("{}", nested).encode()


def changed(good: Message, **values: Any) -> Message:
    """Return *good* with other values in its JSON; ``...`` takes a key out."""
    body = json.loads(good.payload) | values
    kept = {key: value for key, value in body.items() if value is not ...}
    return Message(**{**vars(good), "payload": json.dumps(kept).encode()})


KEYS = st.sampled_from(["request_id", "deadline"])
KNOWN_KEYS = {"request_id", "deadline", "params", "case"}
JOSE: dict[str, Any] = {"content_type": "application/jose+json"}


def names(*known: str) -> st.SearchStrategy[str]:
    """Give levels of a topic that are none of the *known* ones."""
    return st.text(max_size=10).filter(lambda name: name not in known and "/" not in name)


BAD: dict[str, st.SearchStrategy[Message]] = {
    "bytes": st.binary(max_size=200).map(lambda body: request(body=body)),
    "json": JSON.map(lambda body: request(body=json.dumps(body).encode())),
    "cut off": st.integers(1, 60).map(lambda cut: request(body=request().payload[:-cut])),
    "no key": KEYS.map(lambda key: changed(request(), **{key: ...})),
    "no text": st.tuples(KEYS, NO_TEXT).map(lambda pair: changed(request(), **dict([pair]))),
    "no id": NO_ID.map(lambda text: changed(request(), request_id=text)),
    "no time": NO_TIME.map(lambda text: changed(request(), deadline=text)),
    "too late": st.floats(-1e6, 0).map(lambda seconds: request(deadline_s=seconds)),
    "too early": st.floats(3700, 1e8).map(lambda seconds: request(deadline_s=seconds)),
    "more keys": st.text(min_size=1)
    .filter(lambda key: key not in KNOWN_KEYS)
    .map(lambda key: changed(request(), **{key: 1})),
    "params": BAD_EVALUATE.map(lambda params: request(params=params)),
    "no params": (NO_TEXT | st.text()).map(lambda params: changed(request(), params=params)),
    "case": st.sampled_from(["", "a b", "x" * 65, "张三", 5, ["a"]]).map(lambda case: changed(request(), case=case)),
    "deep": st.builds(deep, st.sampled_from(["list", "dict"]), st.integers(9, 9000)).map(
        lambda body: request(body=body)
    ),
    "oversize": st.integers(65_537, 70_000).map(lambda size: request(body=b" " * size)),
    "sealed rubbish": st.binary(max_size=100).map(lambda body: request(body=body, **JOSE)),
    "sealed deep": st.integers(50_000, 60_000).map(lambda depth: request(body=b"[" * depth, **JOSE)),
    "unsealed person": st.text(min_size=1, max_size=32).map(lambda number: request(CARD, "read", {"number": number})),
    "device": names(PAD, CARD, "window").map(request),
    "command": names("evaluate", "cancel").map(lambda name: request(PAD, name)),
    "window command": names("case-open").map(lambda name: request("window", name)),
    "cancel": st.sampled_from([{"request_id": 5}, {"request_id": []}, {"job": "x"}]).map(
        lambda params: request(PAD, "cancel", params)
    ),
}
PLACES = (
    *("", "x", BASE, f"{BASE}/reply", f"{BASE}/reply/a", f"{BASE}/reply/a/", f"{BASE}/reply//b"),
    *(f"{BASE}/reply/a/b/c", f"{BASE}/reply/a/+", f"{BASE}/reply/#/b", f"{BASE}/status", f"{BASE}/reply/../status"),
    *(f"{BASE}x/reply/a/b", "hall/v1/other/w01/reply/a/b", f"{BASE}/reply/a/b\n", f"{BASE}/reply/a/b\0"),
    f"{BASE}/reply/a/{'x' * 65}",
)
DROPPED: dict[str, st.SearchStrategy[Message]] = {
    "retained": st.none().map(lambda _: request(retain=True)),
    "no place": st.none().map(lambda place: request(response_topic=place)),
    "other place": st.sampled_from(PLACES).map(lambda place: request(response_topic=place)),
}
ANY = st.one_of(*[st.tuples(st.just(sort), messages) for sort, messages in (BAD | DROPPED).items()])


@pytest.mark.timeout(120)
async def test_two_thousand_bad_requests(tmp_path: Path) -> None:
    tally: Tally[str] = Tally()

    @settings(max_examples=EXAMPLES)
    @given(ANY)
    def check(asked: tuple[str, Message]) -> None:
        sort, message = asked
        tally[sort] += 1
        before, dropped = len(desk.sent), desk.commands.dropped
        desk.commands.handle(message)
        replies = [json.loads(reply.payload) for reply in desk.sent[before:]]
        if sort in DROPPED:
            assert not replies
            assert desk.commands.dropped == dropped + 1
            return
        (reply,) = replies
        assert reply["reply"] == "completion"
        assert reply["code"] in ("invalid", "refused", "unsupported")
        assert reply["error"]["code"].startswith(("CMD-", "SEC-"))

    async with counter(tmp_path) as desk:
        await asyncio.sleep(0)
        check()
        good = await desk.end(desk.ask())
        assert good["code"] == "ok"  # the only one that was carried out
        assert desk.executed == 1
        assert desk.outbox.call(lambda db: db.execute("SELECT count(*) FROM request").fetchone()).result() == (1,)
    assert tally.total() >= EXAMPLES
    assert set(tally) == {*BAD, *DROPPED}


Answer = Callable[[Counter], str]


@pytest.mark.parametrize(
    ("ask", "code", "completion"),
    [
        (lambda desk: desk.ask(body=b"{"), "CMD-101", "invalid"),
        (lambda desk: desk.ask(body=b" " * 70_000), "CMD-101", "invalid"),
        (lambda desk: desk.ask(deadline_s=-1), "CMD-102", "refused"),
        (lambda desk: desk.ask(deadline_s=3700), "CMD-102", "refused"),
        (lambda desk: desk.ask("pad-9"), "CMD-103", "invalid"),
        (lambda desk: desk.ask(PAD, "fly"), "CMD-104", "unsupported"),
        (lambda desk: desk.ask("window", "fly"), "CMD-104", "unsupported"),
        (lambda desk: desk.ask(CARD, "read", {"number": CANARY}), "CMD-108", "invalid"),
        (lambda desk: desk.ask(CARD, "read", {"number": 5}, sealed=True), "CMD-101", "invalid"),
        (lambda desk: desk.ask(body=b"{}", content_type="application/jose+json"), "SEC-102", "invalid"),
    ],
)
async def test_each_sort_has_its_code(tmp_path: Path, ask: Answer, code: str, completion: str) -> None:
    async with counter(tmp_path) as desk:
        reply = await desk.end(ask(desk))
        assert (reply["error"]["code"], reply["code"]) == (code, completion)
        assert CANARY not in json.dumps(reply, ensure_ascii=False)
        assert reply["error"]["action"]


async def test_personal_parameters_come_sealed(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        seen: list[str] = []

        def execute(job: DeviceJob) -> tuple[()]:
            seen.append(repr(job.command))
            return ()

        desk.drivers[CARD].on_execute = execute
        reply = await desk.end(desk.ask(CARD, "read", {"number": CANARY}, sealed=True))
        assert reply["code"] == "ok"
        assert desk.executed == 1
        assert seen == ["<ReadCard>"]


def test_the_clock_decides_and_is_given() -> None:
    body = request(deadline_s=100).payload
    assert parse(body, sealed=False).sealed is False
    with pytest.raises(Refusal, match="CMD-102"):
        parse(body, sealed=False, now=lambda: 4e9)
    with pytest.raises(Refusal, match="CMD-102"):
        parse(body, sealed=False, now=lambda: 0.0)
