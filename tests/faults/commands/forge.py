"""Makes bad commands of every sort by the hundred thousand, reproducibly from a seed."""

from __future__ import annotations

import base64
import json
import string
import time
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

from edge.delivery.transport import Message
from tests.core.commands_rig import CARD, PAD, request
from tests.core.signed_rig import CLERK, OFFICE, STRANGER, claims, mailed, signed, token
from tests.support.window import BASE

Bad = Callable[[Random], Message]
JOSE: dict[str, Any] = {"content_type": "application/jose+json"}
PATHS = (
    "../../../../etc/passwd", "..%2f..%2fstate%2foutbox.db", "/etc/shadow", "....//", "..\\..\\", "file:///etc/passwd",
    "\0", "a\0b", "~root", "$(reboot)", "`id`", "';DROP TABLE nonce;--", "%n%s%x", "{{7*7}}", "\u202egpj", "+", "#",
)  # fmt: skip
HUGE = ("1" + "0" * 400, "-1" + "0" * 4000, "1e309", "1E-400", "-0", "9223372036854775808", "0.1e1000", "1" * 5000)
PLACES = (
    "", "x", BASE, f"{BASE}/reply", f"{BASE}/reply/a", f"{BASE}/reply//b", f"{BASE}/reply/a/b/c", f"{BASE}/reply/a/+",
    f"{BASE}/status", f"{BASE}/reply/../status", "hall/v1/other/w01/reply/a/b", f"{BASE}/reply/a/b\n", "$SYS/x",
)  # fmt: skip


def body(random: Random, **others: Any) -> dict[str, Any]:
    """Return a plain request that is right but for *others*; ``...`` takes a key out."""
    good = json.loads(request(request_id=str(uuid.UUID(int=random.getrandbits(128)))).payload)
    return {key: value for key, value in (good | others).items() if value is not ...}


def one(random: Random, names: list[str], value: Any) -> dict[str, Any]:
    """Return *value* under one of *names*."""
    return {random.choice(names): value}


def plain(random: Random, device: str = PAD, command: str = "evaluate", **others: Any) -> Message:
    return request(device, command, body=json.dumps(body(random, **others)).encode())


def junk(random: Random) -> Any:
    """Return a JSON value that is no text."""
    return random.choice([None, True, 17, -1.5, [], [1], {}, {"a": "b"}, [[["x"]]]])


def text(random: Random, longest: int = 60) -> str:
    letters = string.printable + "张三é😀\u0000\u2028"
    return "".join(random.choices(letters, k=random.randint(0, longest)))


def nested(random: Random) -> bytes:
    """Return JSON that nests deeper than is allowed, sometimes without an end."""
    depth = random.choice([9, 10, 50, 900, 9000])
    opening, closing = random.choice([("[", "]"), ('{"a":', "}")])
    inner = opening * depth + "1" + closing * depth * random.randint(0, 1)
    return json.dumps(body(random, params="@")).replace('"@"', inner).encode()


def cut(random: Random) -> bytes:
    whole = json.dumps(body(random)).encode()
    return whole[: random.randint(0, len(whole) - 1)]


def scratched(random: Random) -> bytes:
    """Return a request in which one byte became one that UTF-8 does not know there."""
    whole = bytearray(json.dumps(body(random)).encode())
    whole[random.randrange(len(whole))] = random.choice([0xFF, 0xC0, 0x80, 0xED, 0xF8])
    return bytes(whole)


def twice(random: Random) -> bytes:
    key = random.choice(["request_id", "deadline", "params"])
    return json.dumps(body(random)).replace("{", f'{{"{key}": {json.dumps(body(random)[key])}, ', 1).encode()


def number(random: Random) -> bytes:
    value = random.choice(HUGE)
    name = random.choice(["timeout_s", "level", "x"])
    return json.dumps(body(random, params={name: "@"})).replace('"@"', value).encode()


def constant(random: Random) -> bytes:
    return (
        json.dumps(body(random, params={"timeout_s": "@"})).replace('"@"', random.choice(["NaN", "Infinity"])).encode()
    )


def params(random: Random) -> dict[str, Any]:
    """Return parameters that no evaluation takes."""
    wrong: list[dict[str, Any]] = [
        {"timeout_s": random.choice([2, 0, -5, 181, 10**9, "30", 30.5, True, None])},
        {"form_id": random.choice(["two words", "x" * 65, "a\n", "", *PATHS])},
        {"staff": random.choice(["12a", "1234567", 12, ["1"]])},
        {"level": random.randint(1, 5)}, {text(random) or "?": 1}, {"__class__": "os.system"},
    ]  # fmt: skip
    return random.choice(wrong)


OPEN: dict[str, Bad] = {
    "bytes": lambda r: request(body=r.randbytes(r.randint(0, 200))),
    "cut off": lambda r: request(body=cut(r)),
    "bad UTF-8": lambda r: request(body=scratched(r)),
    "other encoding": lambda r: request(body=json.dumps(body(r)).encode(r.choice(["utf-16", "utf-32", "utf-8-sig"]))),
    "no object": lambda r: request(body=json.dumps(r.choice([junk(r), [body(r)], text(r)])).encode() or b"1"),
    "deep": lambda r: request(body=nested(r)),
    "oversize": lambda r: request(body=b" " * r.randint(65_537, 66_000)),
    "key twice": lambda r: request(body=twice(r)),
    "huge number": lambda r: request(body=number(r)),
    "no number": lambda r: request(body=constant(r)),
    "no key": lambda r: plain(r, **one(r, ["request_id", "deadline"], ...)),
    "wrong type": lambda r: plain(r, **{r.choice(["request_id", "deadline"]): junk(r)}),
    "wrong params": lambda r: plain(r, params=r.choice([None, 1, "x", [1], True])),
    "more keys": lambda r: plain(r, **{r.choice(["aud", "user", "__proto__", "reply_to", "tier"]): text(r)}),
    "no id": lambda r: plain(r, request_id=r.choice(["", "x" * 36, "0" * 37, *PATHS])),
    "no case": lambda r: plain(r, case=r.choice(["", "a b", "x" * 65, "张三", *PATHS])),
    "no time": lambda r: plain(r, deadline=r.choice(["now", "2026-11-22", "0001-01-01T00:00:00+23:59", text(r, 30)])),
    "too late": lambda r: request(deadline_s=-r.uniform(0, 1e6)),
    "too early": lambda r: request(deadline_s=r.uniform(3700, 1e8)),
    "params": lambda r: plain(r, params=params(r)),
    "device": lambda r: plain(r, r.choice(["pad-9", "", "PAD-1", "windo", "..", *PATHS]).replace("/", "_")),
    "command": lambda r: plain(r, PAD, r.choice(["rate", "", "execute", "EVALUATE", "read", *PATHS]).replace("/", "_")),
    "window command": lambda r: plain(r, "window", r.choice(["reboot", "update", "exec", "case-Open", ""])),
    "not allowed": lambda r: plain(r, CARD, "read"),
    "not allowed, sealed": lambda r: request(CARD, "read", {"number": text(r) or "1"}, sealed=True),
    "cancel": lambda r: plain(r, PAD, "cancel", params=r.choice([{"request_id": 5}, {"job": "x"}, {"request_id": []}])),
    "sealed rubbish": lambda r: request(body=b"{" + r.randbytes(r.randint(0, 200)), **JOSE),
    "sealed deep": lambda r: request(body=b'{"a":' * r.randint(100, 9000), **JOSE),
    "not sealed": lambda r: request(body=json.dumps(body(r)).encode(), **JOSE),
    "signed, but no keys here": lambda r: mailed(rare(r)),
}
"""For a window without requesters' keys; what they may ask for is the default."""
DROPPED: dict[str, Bad] = {
    "retained": lambda _: request(retain=True),
    "no place": lambda _: request(response_topic=None),
    "other place": lambda r: request(response_topic=r.choice(PLACES)),
}


def header(random: Random, **members: Any) -> bytes:
    """Return a token with another header, and the signature that belonged to the first one."""
    head, rest = rare(random).split(b".", 1)
    old = json.loads(base64.urlsafe_b64decode(head + b"=="))
    new = {key: value for key, value in (old | members).items() if value is not ...}
    return base64.urlsafe_b64encode(json.dumps(new).encode()).rstrip(b"=") + b"." + rest


def flipped(random: Random) -> bytes:
    """Return a token with one other letter in its payload or signature."""
    whole = bytearray(rare(random))
    at = random.randrange(whole.index(b"."), len(whole) - 1)
    whole[at] = random.choice([letter for letter in b"AZaz09-_" if letter != whole[at]])
    return bytes(whole)


_kept: dict[str, Any] = {}


def rare(random: Random) -> bytes:
    """Return a good token, one of a few that are signed anew every ten seconds: signing is slow."""
    now = time.monotonic()
    if now - _kept.get("at", -60) > 10:
        _kept.update(at=now, tokens=[token(claims()) for _ in range(8)])
    found: bytes = random.choice(_kept["tokens"])
    return found


def when(random: Random, *, past: bool) -> dict[str, Any]:
    """Return the times of a request that has expired, or will be valid later."""
    now, far = int(time.time()), int(10 ** random.uniform(1.7, 8.5))
    issued = now - 35 - far if past else now + 6 + far
    return {"iat": issued, "exp": issued + random.randint(1, 30)}


def moved(random: Random) -> Message:
    """Return a good token at another place than the one it is for."""
    place = random.choice(
        [(CARD, "evaluate"), (PAD, "cancel"), ("window", "case-open"), (PAD, "read"), ("pad-2", "evaluate")]
    )
    return mailed(rare(random), *place)


SIGNED: dict[str, Bad] = {
    "not signed": plain,
    "not signed, sealed": lambda _: request(sealed=True),
    "no token": lambda r: mailed(
        r.choice([b"", b".", b"..", b"a.b.c", r.randbytes(60), b"e30." + b"A" * r.randint(1, 999)])
    ),
    "a bit off": lambda r: mailed(flipped(r)),
    "cut": lambda r: mailed(rare(r)[: -r.randint(1, 80)]),
    "no signature": lambda r: mailed(rare(r).rpartition(b".")[0] + b"."),
    "none": lambda r: mailed(header(r, alg=r.choice(["none", "None", "nOnE", "", 0, None]))),
    "other algorithm": lambda r: mailed(header(r, alg=r.choice(["HS256", "RS256", "ES384", "PS256", "EdDSA", "dir"]))),
    "key in the header": lambda r: mailed(
        header(r, **{r.choice(["jwk", "jku", "x5c", "x5u"]): "https://evil.example/k"})
    ),
    "critical": lambda r: mailed(header(r, crit=["b64"], b64=False)),
    "other kid": lambda r: mailed(header(r, kid=r.choice([STRANGER.thumbprint(), "", *PATHS, CLERK.thumbprint()]))),
    "other type": lambda r: mailed(header(r, typ=r.choice(["JWT", "hall-request", "", 5]))),
    "stranger": lambda _: signed(key=STRANGER),
    "stranger under our kid": lambda _: mailed(token(claims(), STRANGER, kid=OFFICE.thumbprint())),
    "moved": moved,
    "other audience": lambda r: signed(aud=r.choice(["test-hall/w02", "", "w01", "*", "test-hall/w01/"])),
    "other issuer": lambda r: signed(iss=r.choice(["clerk", "root", ""])),
    "expired": lambda r: signed(**when(r, past=True)),
    "not yet": lambda r: signed(**when(r, past=False)),
    "for long": lambda r: signed(exp=int(time.time()) + r.randint(60, 10**7)),
    "no claim": lambda r: signed(**one(r, ["iss", "aud", "iat", "exp", "device", "command", "request_id"], ...)),
    "claim of another type": lambda r: signed(
        **one(r, ["iss", "aud", "iat", "exp", "device"], r.choice([None, {}, "x" * 99]))
    ),
    "signed rubbish": lambda r: mailed(
        token(r.choice([r.randbytes(40), nested(r)[:40_000], b"", b"[]", scratched(r)]))
    ),
    "signed, key twice": lambda _: mailed(token(json.dumps(claims()).replace("{", '{"aud": "x", ', 1).encode())),
    "signed, wrong params": lambda r: signed(PAD, "evaluate", params(r)),
    "signed, not allowed": lambda _: signed(key=CLERK, iss="clerk"),
    "signed, unknown": lambda r: signed(PAD, r.choice(["rate", "execute"])),
}
"""For a window with requesters' keys."""
