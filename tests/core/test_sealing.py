"""Sealed bodies: readable for their recipients alone, and only as they were sealed."""

from __future__ import annotations

import contextlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey

from edge.sealing.jwe import JweSealer, SealError, kept_key, new_key, opened, public_jwk, read_key

PLAIN, AAD = '{"name":"张三"}'.encode(), b'{"seq":"1"}'


@cache
def key() -> ECKey:
    return new_key()


@cache
def sealed() -> bytes:
    return JweSealer([key()]).seal(PLAIN, AAD)


def test_it_opens_with_its_key_and_shows_nothing_without() -> None:
    assert opened(sealed(), [new_key(), key()]) == (PLAIN, AAD)
    assert "张三".encode() not in sealed()
    assert JweSealer([key()]).seal(PLAIN, AAD) != sealed()


def test_every_recipient_opens_it_alone() -> None:
    keys = [new_key() for _ in range(3)]
    body = JweSealer(keys).seal(PLAIN, AAD)
    assert {opened(body, [own]) for own in keys} == {(PLAIN, AAD)}
    assert len(json.loads(body)["recipients"]) == 3


def test_the_public_half_is_enough_to_seal() -> None:
    body = JweSealer([ECKey.import_key(public_jwk(key()))]).seal(PLAIN, AAD)
    assert opened(body, [key()]) == (PLAIN, AAD)
    assert "d" not in public_jwk(key())


def test_another_key_is_told_apart_from_damage() -> None:
    with pytest.raises(SealError, match="SEC-101"):
        opened(sealed(), [new_key()])
    stranger = new_key()
    claims = ECKey.import_key({**stranger.as_dict(private=True), "kid": str(key().kid)})  # it says it is the right one
    with pytest.raises(SealError, match="SEC-102"):
        opened(sealed(), [claims])


@given(st.data())
def test_a_changed_byte_never_goes_unnoticed(data: st.DataObject) -> None:
    body = bytearray(sealed())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(SealError):
        assert opened(bytes(body), [key()]) == (PLAIN, AAD)  # e.g. the unused last bits of base64


@given(st.sampled_from(["aad", "ciphertext", "iv", "tag", "protected"]), st.text("AZaz09-_", max_size=60))
def test_no_part_can_be_put_in_place_of_another(part: str, value: str) -> None:
    with pytest.raises(SealError):
        opened(json.dumps(json.loads(sealed()) | {part: value}).encode(), [key()])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists) | st.binary())
def test_rubbish_is_refused(rubbish: Any) -> None:
    with pytest.raises(SealError):
        opened(rubbish if isinstance(rubbish, bytes) else json.dumps(rubbish).encode(), [key()])


def test_deep_nesting_and_compressed_bombs_are_refused() -> None:
    with pytest.raises(SealError, match="SEC-102"):
        opened(b"[" * 100_000, [key()])
    bomb = jwe.GeneralJSONEncryption({"enc": "A256GCM", "zip": "DEF"}, bytes(30_000_000))
    bomb.add_recipient({"alg": "ECDH-ES+A256KW", "kid": key().kid}, key())
    body = json.dumps(jwe.encrypt_json(bomb, None, algorithms=["ECDH-ES+A256KW", "A256GCM", "DEF"]))
    with pytest.raises(SealError, match="SEC-102"):
        opened(body.encode(), [key()])


def test_a_kept_key_is_made_once_and_is_secret(tmp_path: Path) -> None:
    path = tmp_path / "window-key.jwk"
    first, second = kept_key(path), kept_key(path)
    assert first.as_dict(private=True) == second.as_dict(private=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["window-key.jwk"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"kty":"oct","k":"AA"}', b"[1]"])
def test_a_file_without_a_key_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.jwk"
    path.write_bytes(content)
    with pytest.raises(SealError, match="SEC-103"):
        read_key(path)
    with pytest.raises(SealError, match="SEC-111"):
        read_key(tmp_path / "nowhere")


def test_a_key_on_another_curve_is_told(tmp_path: Path) -> None:
    path = tmp_path / "key.jwk"
    path.write_text(json.dumps(ECKey.generate_key("P-384", private=True).as_dict(private=True)), encoding="ascii")
    with pytest.raises(SealError, match="P-384"):
        read_key(path)
