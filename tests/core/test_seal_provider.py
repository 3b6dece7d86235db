"""Keys that change without a gap, and sealing by somebody else's code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from edge.sealing.jwe import (
    JweOpener,
    JweSealer,
    SealError,
    current,
    distinct,
    keys_in,
    new_key,
    public_jwk,
    read_key,
    read_keys,
)
from edge.sealing.provider import JoseProvider, event_sealer, provider
from edge.subscriber.keys import opener_of

PLAIN, AAD = "张三".encode(), b"{}"
NOW = 1_800_000_000


def renamed(key: ECKey, kid: str) -> ECKey:
    return ECKey.import_key({**key.as_dict(private=True), "kid": kid})


def file_of(folder: Path, name: str, *keys: ECKey, private: bool = False) -> Path:
    jwks = [dict(key.as_dict(private=private)) for key in keys]
    path = folder / name
    path.write_text(json.dumps(jwks[0] if len(jwks) == 1 else {"keys": jwks}), encoding="ascii")
    path.chmod(0o600)
    return path


def test_what_was_sealed_before_a_change_of_keys_opens_after_it(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    before = event_sealer("jose", None, [file_of(tmp_path, "a", old)], None).seal(PLAIN, AAD)
    during = event_sealer("jose", None, [file_of(tmp_path, "a", old, new)], None).seal(PLAIN, AAD)
    after = event_sealer("jose", None, [file_of(tmp_path, "a", new)], None).seal(PLAIN, AAD)
    both, late, early = JweOpener([new, old]), JweOpener([new]), JweOpener([old])
    assert [both.open(body) for body in (before, during, after)] == [(PLAIN, AAD)] * 3
    assert late.open(during) == late.open(after) == early.open(before) == early.open(during) == (PLAIN, AAD)
    for opener, body in ((late, before), (early, after)):
        with pytest.raises(SealError, match="SEC-101"):
            opener.open(body)


def test_all_keys_of_all_subscribers_are_recipients_each_once(tmp_path: Path) -> None:
    keys = [new_key() for _ in range(4)]
    files = [file_of(tmp_path, "a", keys[0]), file_of(tmp_path, "b", *keys[:3]), file_of(tmp_path, "c", keys[3])]
    body = event_sealer("jose", None, files, None).seal(PLAIN, AAD)
    assert [one["header"]["kid"] for one in json.loads(body)["recipients"]] == [key.kid for key in keys]
    assert {JweOpener([key]).open(body) for key in keys} == {(PLAIN, AAD)}


def test_expired_keys_are_no_recipients() -> None:
    over, left = new_key(expires=NOW), new_key(expires=NOW + 1)
    assert current([over, left], NOW) == [left]
    with pytest.raises(SealError, match="SEC-116"):
        current([over], NOW)
    assert JoseProvider().sealer(
        [json.dumps({"keys": [public_jwk(new_key(expires=1)), public_jwk(left)]}).encode()]
    ).kids == (left.kid,)


def test_two_keys_under_one_kid_are_told_when_sealing_and_tried_when_opening() -> None:
    one, other = renamed(new_key(), "2026"), renamed(new_key(), "2026")
    with pytest.raises(SealError, match="SEC-118"):
        JweSealer([one, other])
    assert distinct([one, one]) == [one]
    body = JweSealer([other]).seal(PLAIN, AAD)
    assert JweOpener([one, other]).open(body) == (PLAIN, AAD)
    with pytest.raises(SealError, match="SEC-102"):
        JweOpener([one] * 9).open(body)


def test_a_file_of_several_private_keys_serves_a_subscriber(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    files = [file_of(tmp_path, "both", old, new, private=True)]
    assert [key.kid for key in read_keys(files[0])] == [old.kid, new.kid]
    assert read_key(files[0]).kid == old.kid
    opener = opener_of(files)
    assert opener is not None
    assert {opener.open(JweSealer([key]).seal(PLAIN, AAD)) for key in (old, new)} == {(PLAIN, AAD)}
    assert opener_of([]) is None


def test_a_key_without_kid_goes_by_its_thumbprint() -> None:
    bare = {name: value for name, value in new_key().as_dict(private=True).items() if name not in ("kid", "use", "alg")}
    (key,) = keys_in(json.dumps(bare).encode(), "x")
    assert key.kid == key.thumbprint()
    assert key.is_private


def test_a_file_everybody_may_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = file_of(tmp_path, "key", new_key(), private=True)
    path.chmod(0o640)
    opener_of([path])
    assert not caplog.records
    path.chmod(0o644)
    opener_of([path])
    assert "SEC-114" in caplog.text


def test_lab_mode_adds_a_key_made_on_the_spot(tmp_path: Path) -> None:
    body = event_sealer("jose", None, [], tmp_path / "lab-key.jwk").seal(PLAIN, AAD)
    assert JweOpener([read_key(tmp_path / "lab-key.jwk")]).open(body) == (PLAIN, AAD)
    assert (tmp_path / "lab-key.jwk").stat().st_mode & 0o777 == 0o600


def test_ours_judges_key_files_as_the_configuration_does() -> None:
    key = new_key()
    assert JoseProvider().problem(json.dumps(public_jwk(key)).encode()) is None
    assert "expired" in str(JoseProvider().problem(json.dumps(public_jwk(new_key(expires=1))).encode()))
    assert "no P-256 key" in str(JoseProvider().problem(b"{}"))
    with pytest.raises(SealError, match="SEC-115"):
        JoseProvider().opener([json.dumps(public_jwk(key)).encode()])


@pytest.mark.parametrize(("name", "package"), [("sm2", None), ("sm2", "acme"), ("jose", "acme")])
def test_a_provider_that_is_not_there(name: str, package: str | None) -> None:
    with pytest.raises(SealError, match="SEC-117"):
        provider(name, package)
