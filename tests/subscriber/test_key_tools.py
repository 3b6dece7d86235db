"""``hall-edge keys``, ``seal`` and ``open``, as a person types them."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.cli import main
from edge.commands.signatures import read_key as read_signing_key
from edge.sealing.jwe import JweOpener, JweSealer, new_key, opened, public_jwk, read_key, read_keys
from tests.support import canaries

TOPIC = "hall/v1/my-hall/w01/sealed/id-card/id-1/read"
PERSON = {"name": "张三三", "number": "11010519491231002X"}
EVENT = {
    "specversion": "1.0", "id": "0193f0a0-0000-7000-8000-000000000000", "source": "urn:hall:my-hall:w01:id-1",
    "type": "hall.id-card.read.v1", "time": "2026-11-22T08:41:00+00:00", "dataschema": "x", "boot": "b", "mono": "1",
    "datacontenttype": "application/json", "epoch": 3, "seq": "7", "clock": "free", "mode": "live", "class": 3,
    "sealed": True, "data": {"person": PERSON},
}  # fmt: skip


class Desk:
    """A folder, and the commands typed in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def path(self, name: str) -> Path:
        return self.folder / name

    def does(self, *words: str | Path) -> tuple[int, str, str]:
        """Type a command; return its exit code and what it printed. Nothing secret may be in it."""
        code = main([str(word) for word in words])
        out, err = self._capsys.readouterr()
        return code, out, err

    def keys(self, name: str = "case.jwk", *more: str) -> Path:
        code, _, err = self.does("keys", "new", "--out", self.path(name), *more)
        assert (code, err) == (0, "")
        return self.path(name)

    def sealed(self, to: Sequence[Path], event: object = EVENT, topic: str = TOPIC) -> Path:
        self.path("event.json").write_text(json.dumps(event), encoding="utf-8")
        to_each = [word for path in to for word in ("--to", path)]
        code, out, err = self.does("seal", *to_each, "--topic", topic, self.path("event.json"))
        assert (code, err) == (0, "")
        self.path("sealed.jwe").write_text(out, encoding="ascii")
        return self.path("sealed.jwe")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_a_new_pair_is_private_tells_what_to_do_and_is_never_overwritten(desk: Desk) -> None:
    path = desk.path("case.private.jwk")
    code, out, _ = desk.does("keys", "new", "--out", path)
    public, private = json.loads(desk.path("case.public.jwk").read_bytes()), json.loads(path.read_bytes())
    assert code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert private["kid"] == public["kid"] == read_key(path).thumbprint()
    assert private["kid"] in out
    assert "[[subscriber]]" in out
    assert private["d"] not in out
    assert "d" not in public
    before = path.read_bytes()
    code, _, err = desk.does("keys", "new", "--out", path)
    assert (code, "SEC-110" in err, path.read_bytes()) == (1, True, before)


def test_a_pair_is_whole_or_not_there(desk: Desk) -> None:
    desk.path("case.public.jwk").write_text("somebody's", encoding="ascii")
    code, _, err = desk.does("keys", "new", "--out", desk.path("case.jwk"))
    assert (code, "SEC-110" in err) == (1, True)
    assert [path.name for path in desk.folder.iterdir()] == ["case.public.jwk"]
    code, _, err = desk.does("keys", "new", "--out", desk.path("nowhere/case.jwk"))
    assert (code, "SEC-111" in err) == (1, True)


@pytest.mark.parametrize(("owner", "says"), [("window", "window-key.jwk"), ("requester", "sign")])
def test_keys_for_the_others(desk: Desk, owner: str, says: str) -> None:
    path = desk.path("own.jwk")
    code, out, _ = desk.does("keys", "new", "--out", path, "--for", owner)
    assert code == 0
    assert says in out
    use = json.loads(path.read_bytes())["use"]
    assert use == ("sig" if owner == "requester" else "enc")
    if owner == "requester":
        assert read_signing_key(path).is_private
    _, shown, _ = desk.does("keys", "show", path, desk.path("own.public.jwk"))
    assert ("for signatures" if owner == "requester" else "for sealing") in shown
    assert "PRIVATE" in shown.splitlines()[0]
    assert "public" in shown.splitlines()[1]


def test_show_never_shows_the_private_part(desk: Desk) -> None:
    path = desk.keys("case.jwk", "--days", "10")
    code, out, _ = desk.does("keys", "show", path)
    assert code == 0
    secret = json.loads(path.read_bytes())["d"]
    assert not canaries.found([secret], [("the output", out.encode())])
    ends = datetime.fromtimestamp(json.loads(path.read_bytes())["exp"], UTC)
    assert f"until {ends.date().isoformat()}" in out
    assert abs((ends - datetime.now(UTC)).days - 10) <= 1


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"kty":"oct","k":"c2VjcmV0"}', b'{"keys":3}', b"[" * 9999])
def test_show_says_what_is_no_key(desk: Desk, content: bytes) -> None:
    desk.path("x.jwk").write_bytes(content)
    code, out, err = desk.does("keys", "show", desk.path("x.jwk"))
    assert (code, out, "SEC-103" in err) == (1, "", True)
    assert "c2VjcmV0" not in err


def test_a_set_holds_public_halves_alone(desk: Desk) -> None:
    first, second = desk.keys("old.jwk"), desk.keys("new.jwk")
    code, out, _ = desk.does("keys", "set", "--out", desk.path("both.jwk"), first, desk.path("new.public.jwk"), second)
    assert code == 0
    both = json.loads(desk.path("both.jwk").read_bytes())["keys"]
    assert [jwk["kid"] for jwk in both] == [read_key(first).kid, read_key(second).kid]
    assert not any("d" in jwk for jwk in both)
    assert all(jwk["kid"] in out for jwk in both)


def test_what_is_sealed_opens_with_either_key_and_is_the_same_event(desk: Desk) -> None:
    old, new = desk.keys("old.jwk"), desk.keys("new.jwk")
    sealed = desk.sealed([desk.path("old.public.jwk"), desk.path("new.public.jwk")])
    for key in (old, new):
        code, out, err = desk.does("open", "--key", key, "--topic", TOPIC, sealed)
        assert (code, err) == (0, "")
        assert json.loads(out) == EVENT
    plain, aad = opened(sealed.read_bytes(), read_keys(new))
    assert json.loads(plain) == EVENT
    place = {"window": "my-hall/w01", "epoch": 3, "seq": "7", "topic": TOPIC, "type": "hall.id-card.read.v1"}
    assert json.loads(aad) == place


def test_a_request_is_sealed_to_the_window(desk: Desk) -> None:
    key = desk.keys("window.jwk", "--for", "window")
    request = {"request_id": EVENT["id"], "deadline": "2026-11-22T08:41:00+00:00", "params": PERSON}
    topic = "hall/v1/my-hall/w01/request/id-1/read"
    sealed = desk.sealed([desk.path("window.public.jwk")], request, topic)
    plain, aad = JweOpener(read_keys(key)).open(sealed.read_bytes())
    assert (json.loads(plain), json.loads(aad)) == (request, {"topic": topic, "request_id": EVENT["id"]})
    assert not canaries.found(PERSON.values(), [("the request", sealed.read_bytes())])


def fails(desk: Desk, *words: str | Path) -> str:
    code, out, err = desk.does(*words)
    assert (code, out) == (1, "")
    assert not canaries.found(PERSON.values(), [("the message", err.encode())])
    return err


def test_a_body_opens_only_where_it_belongs(desk: Desk) -> None:
    key = desk.keys()
    sealed = desk.sealed([desk.path("case.public.jwk")])
    for wrong in ("w01", "id-1", "read"):
        elsewhere = TOPIC.replace(wrong, "x1")
        assert "SEC-113" in fails(desk, "open", "--key", key, "--topic", elsewhere, sealed)
    assert "SUB-103" in fails(desk, "open", "--key", key, "--topic", "not/a/topic", sealed)
    moved = desk.sealed([desk.path("case.public.jwk")], topic=TOPIC.replace("w01", "w02"))
    assert "SEC-113" in fails(desk, "open", "--key", key, moved)  # what it says of itself does not fit the event
    code, out, err = desk.does("open", "--key", key, desk.sealed([desk.path("case.public.jwk")]))
    assert (code, json.loads(out), "not compared with a topic" in err) == (0, EVENT, True)


def test_what_cannot_be_opened_says_why(desk: Desk) -> None:
    desk.keys()
    sealed = desk.sealed([desk.path("case.public.jwk")])
    other = desk.keys("other.jwk")
    assert "SEC-101" in fails(desk, "open", "--key", other, "--topic", TOPIC, sealed)
    public = desk.path("case.public.jwk")
    public.chmod(0o600)
    assert "SEC-115" in fails(desk, "open", "--key", public, sealed)
    assert "SEC-111" in fails(desk, "open", "--key", desk.path("none.jwk"), sealed)


def test_how_a_body_is_damaged(desk: Desk) -> None:
    key = desk.keys()
    body = json.loads(desk.sealed([desk.path("case.public.jwk")]).read_bytes())
    for member, code in (("ciphertext", "SEC-102"), ("aad", "SEC-112")):
        desk.path("bad.jwe").write_text(json.dumps({**body, member: "AAAA"}), encoding="ascii")
        assert code in fails(desk, "open", "--key", key, "--topic", TOPIC, desk.path("bad.jwe"))
    for rubbish in (b"", b"{}", b"\xff", b"[" * 100_000, b'{"aad":"e30"}'):
        desk.path("bad.jwe").write_bytes(rubbish)
        assert "SEC-112" in fails(desk, "open", "--key", key, "--topic", TOPIC, desk.path("bad.jwe"))
    desk.path("bad.jwe").write_bytes(b" " * (1 << 20) + b"{}")
    assert "SEC-111" in fails(desk, "open", "--key", key, desk.path("bad.jwe"))
    assert "SEC-111" in fails(desk, "open", "--key", key, desk.path("none.jwe"))


def test_a_body_whose_time_is_over_is_opened_and_says_so(desk: Desk) -> None:
    key = new_key()
    desk.path("key.jwk").write_text(json.dumps(key.as_dict(private=True)), encoding="ascii")
    desk.path("key.jwk").chmod(0o600)
    aad = {"window": "my-hall/w01", "epoch": 3, "seq": "7", "topic": TOPIC, "type": EVENT["type"]}
    aad["exp"] = "2026-01-01T00:00:00+00:00"
    sealed = JweSealer([key]).seal(json.dumps(EVENT).encode(), json.dumps(aad).encode())
    desk.path("old.jwe").write_bytes(sealed)
    code, out, err = desk.does("open", "--key", desk.path("key.jwk"), "--topic", TOPIC, desk.path("old.jwe"))
    assert (code, json.loads(out), "retention ended" in err) == (0, EVENT, True)


def test_a_secret_that_everybody_may_read_is_refused(desk: Desk) -> None:
    key = desk.keys()
    sealed = desk.sealed([desk.path("case.public.jwk")])
    key.chmod(0o644)
    err = fails(desk, "open", "--key", key, "--topic", TOPIC, sealed)
    assert "SEC-114" in err
    assert "chmod o= " in err


@pytest.mark.parametrize("plain", [b"", b"[]", b"{}", b'{"epoch": 3}', b"\xff", b"[" * 9999])
def test_only_events_and_requests_are_sealed(desk: Desk, plain: bytes) -> None:
    desk.keys()
    desk.path("plain").write_bytes(plain)
    assert "SEC-119" in fails(desk, "seal", "--to", desk.path("case.public.jwk"), "--topic", TOPIC, desk.path("plain"))
    assert "SUB-103" in fails(desk, "seal", "--to", desk.path("case.public.jwk"), "--topic", "x", desk.path("plain"))


def test_nothing_is_sealed_to_an_expired_key(desk: Desk) -> None:
    jwk = public_jwk(new_key(expires=1_000_000_000))
    desk.path("old.jwk").write_text(json.dumps(jwk), encoding="ascii")
    desk.path("plain").write_text(json.dumps(EVENT), encoding="utf-8")
    assert "SEC-116" in fails(desk, "seal", "--to", desk.path("old.jwk"), "--topic", TOPIC, desk.path("plain"))
    _, shown, _ = desk.does("keys", "show", desk.path("old.jwk"))
    assert "expired 2001-09-09" in shown
