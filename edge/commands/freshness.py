"""Signed requests are fresh and used once, whatever happens to the clocks and however often the daemon starts.

The wall clock decides whether a request is fresh. That it was not used before is remembered in the store until a
later request of the same key was taken; and what is older than that is refused by comparison with the later one, not
with the clock. So a wall clock that is set back revives nothing, and one that jumped ahead locks nobody out.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.commands.requests import Refusal
from edge.wire import SignedRequest

MAX_LIFE_S = 30
SKEW_S = 5
"""So far the requester's clock and this PC's may be apart."""
_HORIZON_S = MAX_LIFE_S + SKEW_S  # after its time of signing a request is good for no longer than this


@dataclass(frozen=True)
class Nonce:
    """What makes a signed request unique: its key, its id, and when it was signed (seconds since 1970)."""

    key_id: str
    request_id: str
    issued: int


def check_place(request: SignedRequest, window: str, requester: str, device: str, command: str) -> None:
    """Raise :class:`Refusal` unless *request* was signed for this window (``hall/window``), device and command."""
    signed = (request.aud, request.iss, request.device, request.command)
    for name, is_there, belongs in zip(
        ("aud", "iss", "device", "command"), signed, (window, requester, device, command), strict=True
    ):
        if is_there != belongs:
            raise Refusal(
                f"the request was signed for something else: {name}", "refused", code="CMD-113",
                action=f"sign each request for its own window, device and command; {name} does not fit the topic",
            )  # fmt: skip


def check_time(request: SignedRequest, now: Callable[[], float] = time.time) -> None:
    """Raise :class:`Refusal` unless *request* is fresh."""
    if not 0 < request.exp - request.iat <= MAX_LIFE_S:
        raise Refusal(
            f"signed for more than {MAX_LIFE_S} s, or for no time at all", "refused", code="CMD-117",
            action=f"let exp lie at most {MAX_LIFE_S} s after iat",
        )  # fmt: skip
    ahead_s, behind_s = request.iat - now(), now() - request.exp
    if max(ahead_s, behind_s) > SKEW_S:
        seen = f"is {ahead_s:.0f} s ahead" if ahead_s > SKEW_S else f"expired {behind_s:.0f} s ago"
        raise Refusal(
            f"by this PC's clock the request {seen}", "refused", code="CMD-114",
            action="if it was signed just now, set the clocks of this PC and of the requester",
        )  # fmt: skip


def take(db: sqlite3.Connection, nonce: Nonce) -> None:
    """Remember *nonce*, in the transaction of *db*; raises :class:`Refusal` when it is used or too old."""
    until = nonce.issued + _HORIZON_S
    mine = (f"{nonce.key_id}:", f"{nonce.key_id};")  # all ids of this key, and no others
    (latest,) = db.execute("SELECT max(until) FROM nonce WHERE id >= ? AND id < ?", mine).fetchone()
    newest_issued = (until if latest is None else max(until, latest)) - _HORIZON_S
    if until < newest_issued:
        raise Refusal(
            f"the request is {newest_issued - nonce.issued:.0f} s older than one already taken", "refused",
            code="CMD-115", action="send a new request; if this one is new, compare the clocks of all who use this key",
        )  # fmt: skip
    name = f"{nonce.key_id}:{nonce.request_id}"
    if not db.execute("INSERT OR IGNORE INTO nonce VALUES (?, ?)", (name, until)).rowcount:
        raise Refusal(
            "this signed request was used already", "refused", code="CMD-116", action="send a new one, with a new id"
        )
    db.execute("DELETE FROM nonce WHERE id >= ? AND id < ? AND until < ?", (*mine, newest_issued))
