"""Signed requests against the real desk and store: each way to be wrong has its code, and the right ones are done."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.commands.freshness import MAX_LIFE_S, SKEW_S, Nonce, take
from edge.commands.permits import Permit
from edge.commands.requests import Refusal
from edge.delivery.transport import Message
from tests.core.commands_rig import CARD, PAD, Counter, counter, open_gate, request
from tests.core.samples import CANARY
from tests.core.signed_rig import CLERK, OFFICE, STRANGER, claims, mailed, signed, signed_gate, token

Make = Callable[[], Message]


async def answered(desk: Counter, message: Message) -> dict[str, Any]:
    """Hand over *message* and return the completion of it."""
    desk.commands.handle(message)
    assert message.response_topic
    return await desk.end(message.response_topic.rpartition("/")[2])


def unsigned_header(**members: str) -> bytes:
    """Return a token whose header asks for an algorithm that needs no key of ours."""
    head, body, signature = token(claims()).split(b".")
    old = json.loads(base64.urlsafe_b64decode(head + b"=="))
    new = base64.urlsafe_b64encode(json.dumps(old | members).encode()).rstrip(b"=")
    return b".".join([new, body, signature])


@pytest.mark.parametrize("seal", [False, True])
async def test_a_good_request_is_carried_out_once(tmp_path: Path, seal: bool) -> None:
    async with counter(tmp_path, signed_gate()) as desk:
        message = signed(seal=seal)
        assert (await answered(desk, message))["code"] == "ok"
        desk.commands.handle(message)
        request_id = str(message.response_topic).rpartition("/")[2]
        assert [end["code"] for end in desk.ends(request_id)] == ["ok", "ok"]
        assert desk.executed == 1


async def test_personal_parameters_come_signed_and_sealed(tmp_path: Path) -> None:
    async with counter(tmp_path, signed_gate()) as desk:
        assert (await answered(desk, signed(CARD, "read", {"number": CANARY}, seal=True)))["code"] == "ok"
        bare = await answered(desk, signed(CARD, "read", {"number": CANARY}))
        assert (bare["code"], bare["error"]["code"]) == ("invalid", "CMD-108")
        assert desk.executed == 1


NOW = int(time.time())
WRONG: dict[str, tuple[str, Make]] = {
    "not signed": ("CMD-110", request),
    "not signed but sealed": ("CMD-110", lambda: request(sealed=True)),
    "rubbish": ("CMD-112", lambda: mailed(b"no.token.this")),
    "not ours": ("CMD-112", lambda: signed(key=STRANGER)),
    "under our kid": ("CMD-112", lambda: mailed(token(claims(), STRANGER, kid=OFFICE.thumbprint()))),
    "none": ("CMD-112", lambda: mailed(unsigned_header(alg="none"))),
    "an HMAC": ("CMD-112", lambda: mailed(unsigned_header(alg="HS256"))),
    "other algorithm": ("CMD-112", lambda: mailed(unsigned_header(alg="ES384"))),
    "other type": ("CMD-112", lambda: mailed(token(claims(), typ="JWT"))),
    "a key inside": ("CMD-112", lambda: mailed(token(claims(), jwk=STRANGER.as_dict(private=False)))),
    "critical members": ("CMD-112", lambda: mailed(token(claims(), crit=["b64"], b64=True))),
    "no signature": ("CMD-112", lambda: mailed(token(claims()).rpartition(b".")[0] + b".")),
    "a bit off": ("CMD-112", lambda: mailed(token(claims())[:-4] + b"AAAA")),
    "other window": ("CMD-113", lambda: signed(aud="test-hall/w02")),
    "other device": ("CMD-113", lambda: mailed(token(claims(CARD)))),
    "other command": ("CMD-113", lambda: mailed(token(claims(PAD, "cancel")))),
    "other requester": ("CMD-113", lambda: signed(iss="clerk")),
    "expired": ("CMD-114", lambda: signed(iat=NOW - 60, exp=NOW - 40)),
    "from the future": ("CMD-114", lambda: signed(iat=int(time.time()) + 20, exp=int(time.time()) + 40)),
    "for too long": ("CMD-117", lambda: signed(exp=int(time.time()) + 300)),
    "for no time": ("CMD-117", lambda: signed(iat=int(time.time()), exp=int(time.time()))),
    "no audience": ("CMD-101", lambda: signed(aud=...)),
    "time as text": ("CMD-101", lambda: signed(exp=str(NOW))),
    "twice a key": ("CMD-101", lambda: mailed(token(json.dumps(claims()).replace("{", '{"iss": "x", ', 1).encode()))),
    "more claims": ("CMD-101", lambda: signed(sub="x")),
    "past its deadline": ("CMD-102", lambda: signed(deadline="2026-01-01T00:00:00Z")),
    "not allowed": ("CMD-111", lambda: signed(key=CLERK, iss="clerk")),
}


@pytest.mark.parametrize(("code", "make"), WRONG.values(), ids=WRONG.keys())
async def test_each_way_to_be_wrong_has_its_code(tmp_path: Path, code: str, make: Make) -> None:
    async with counter(tmp_path, signed_gate()) as desk:
        message = make()
        end = await answered(desk, message)
        assert end["error"]["code"] == code
        assert end["code"] == ("invalid" if code == "CMD-101" else "refused")
        assert end["error"]["action"]
        assert desk.commands.refused == {code: 1}
        await asyncio.sleep(0)
        assert desk.executed == 0


async def test_without_keys_a_signed_request_is_refused(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        assert (await answered(desk, signed()))["error"]["code"] == "CMD-118"


async def test_capture_and_reading_are_off_by_default(tmp_path: Path) -> None:
    async with counter(tmp_path, open_gate(permit=Permit())) as desk:
        end = await answered(desk, request(CARD, "read"))
        assert (end["code"], end["error"]["code"]) == ("refused", "CMD-111")
        assert '"id-card.read"' in end["error"]["action"]
        assert (await answered(desk, request(PAD, "evaluate")))["code"] == "ok"
        assert (await answered(desk, request(CARD, "cancel")))["code"] == "ok"
    (tmp_path / "2").mkdir()
    async with counter(tmp_path / "2", open_gate(permit=Permit(frozenset({"id-card.read"})))) as desk:
        assert (await answered(desk, request(CARD, "read")))["code"] == "ok"
        assert (await answered(desk, request(PAD, "evaluate")))["code"] == "refused"
        assert (await answered(desk, request("window", "case-open")))["code"] == "refused"


async def test_what_was_refused_cannot_be_tried_again(tmp_path: Path) -> None:
    async with counter(tmp_path, signed_gate()) as desk:
        message = signed(PAD, "evaluate", {"timeout_s": 1})
        first = await answered(desk, message)
        desk.sent.clear()
        assert await answered(desk, message) == first
        assert first["code"] == "invalid"


async def test_a_request_is_used_up_before_it_runs_and_stays_so_over_a_restart(tmp_path: Path) -> None:
    refused, done = signed(PAD, "evaluate", {"timeout_s": 1}), signed()
    async with counter(tmp_path, signed_gate()) as desk:
        await answered(desk, refused)
        await answered(desk, done)
    async with counter(tmp_path, signed_gate()) as desk:
        assert (await answered(desk, refused))["error"]["code"] == "CMD-116"
        assert (await answered(desk, done))["code"] == "ok"  # the stored answer
        assert desk.executed == 0
        desk.outbox.call(lambda db: db.execute("DELETE FROM request")).result()
    async with counter(tmp_path, signed_gate()) as desk:
        assert (await answered(desk, done))["error"]["code"] == "CMD-116"
        assert desk.executed == 0


async def test_the_same_request_twice_in_one_breath_runs_once(tmp_path: Path) -> None:
    async with counter(tmp_path, signed_gate()) as desk:
        message = signed()
        desk.commands.handle(message)
        desk.commands.handle(message)
        request_id = str(message.response_topic).rpartition("/")[2]
        end = await desk.end(request_id)
        assert end["code"] == "ok"
        assert desk.executed == 1
        assert [body["reply"] for body in desk.replies(request_id)].count("ack") == 2


async def test_decisions_are_audited(tmp_path: Path) -> None:
    async with counter(tmp_path, signed_gate()) as desk:
        good = signed()
        await answered(desk, good)
        for _ in range(3):
            await answered(desk, signed(key=STRANGER))
        await answered(desk, signed("window", "case-open"))  # not of the tier act: no event
        rows = desk.outbox.between(1, 100).result()
        found = [json.loads(row.public)["data"] for row in rows if row.type == "hall.system.audit.v1"]
    assert found == [
        {"outcome": "accepted", "requester": "office", "request": str(good.response_topic).rpartition("/")[2],
         "device": PAD, "command": "evaluate"},
        {"outcome": "refused", "code": "CMD-112", "count": 1},
    ]  # fmt: skip


async def test_a_captured_request_stays_dead_when_the_wall_clock_is_set_back(tmp_path: Path) -> None:
    """T17: by then its id was pruned, and by the wall clock it is fresh again."""
    captured = signed()
    async with counter(tmp_path, signed_gate()) as desk:
        assert (await answered(desk, captured))["code"] == "ok"
    async with counter(tmp_path, signed_gate(now=lambda: time.time() + 100)) as desk:
        later = int(time.time()) + 100
        end = (datetime.now(UTC) + timedelta(seconds=150)).isoformat()
        assert (await answered(desk, signed(iat=later, exp=later + 30, deadline=end)))["code"] == "ok"
        assert (await answered(desk, signed(deadline=end)))["error"]["code"] == "CMD-114"
        desk.outbox.call(lambda db: db.execute("DELETE FROM request")).result()
    async with counter(tmp_path, signed_gate()) as desk:  # set back, and started again
        assert (await answered(desk, captured))["error"]["code"] == "CMD-115"
        assert (await answered(desk, signed()))["error"]["code"] == "CMD-115"
        assert desk.executed == 0


def test_a_clock_set_back_revives_nothing(tmp_path: Path) -> None:
    """What was taken is the floor: by it old ones are refused, not by the wall clock, and it is never forgotten."""
    with desk_db(tmp_path) as db:
        hour_ago = [Nonce("kid", str(number), 10_000 + number) for number in range(200)]
        for nonce in hour_ago:
            take(db, nonce)
        take(db, Nonce("kid", "now", 14_000))
        for nonce in hour_ago:
            with pytest.raises(Refusal) as caught:
                take(db, nonce)
            assert caught.value.code == "CMD-115"
        assert db.execute("SELECT count(*) FROM nonce").fetchone() == (1,)  # pruned, and still not taken again
        with pytest.raises(Refusal, match="CMD-116"):
            take(db, Nonce("kid", "now", 14_000))
        take(db, Nonce("kid", "a little older", 14_000 - MAX_LIFE_S - SKEW_S))
        take(db, Nonce("other key", "0", 10_000))  # a floor of its own: one requester's clock locks out no other
        take(db, Nonce("ki", "0", 10_000))


def desk_db(folder: Path) -> Any:
    """Return a database with the store's table of nonces."""
    import contextlib
    import sqlite3

    db = sqlite3.connect(folder / "nonces.db", isolation_level=None)
    db.execute("CREATE TABLE nonce (id TEXT PRIMARY KEY, until REAL NOT NULL)")
    return contextlib.closing(db)
