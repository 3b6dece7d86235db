"""What is sealed is what the contract says, opened by hand from the standards alone: RFC 7516, RFC 7518, SP 800-38D."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from joserfc.jwk import ECKey

from edge.blobs.parts import PART_BYTES, new_blob_key, part_opener, part_sealer
from edge.envelope import Draft, EnvelopeRenderer
from edge.sealing.jwe import JweSealer, new_key, public_jwk
from edge.subscriber.packing import Parcel
from edge.subscriber.windows import Status, Window
from tests.core.samples import CANARY, SAMPLES

SAMPLE = next(sample for sample in SAMPLES if sample.hidden())
TOPIC = "hall/v1/h/w/request/id-1/read"


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(jwk: dict[str, Any]) -> ec.EllipticCurvePublicNumbers:
    x, y = (int.from_bytes(octets(jwk[name])) for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1())


def opened_by_hand(sealed: bytes, key: ECKey) -> tuple[bytes, bytes]:
    """Open a general JSON JWE: ECDH-ES with Concat KDF, AES key unwrap, AES-256-GCM over ``protected.aad``."""
    message = json.loads(sealed)
    (entry,) = [one for one in message["recipients"] if one["header"]["kid"] == key.kid]
    header = {**json.loads(octets(message["protected"])), **entry["header"]}
    assert (header["alg"], header["enc"]) == ("ECDH-ES+A256KW", "A256GCM")
    jwk = key.as_dict(private=True)
    own = ec.EllipticCurvePrivateNumbers(int.from_bytes(octets(str(jwk["d"]))), point(dict(jwk))).private_key()
    shared = own.exchange(ec.ECDH(), point(header["epk"]).public_key())
    name = header["alg"].encode()
    info = len(name).to_bytes(4) + name + bytes(4) + bytes(4) + (256).to_bytes(4)
    wrapping = hashlib.sha256((1).to_bytes(4) + shared + info).digest()
    content_key = aes_key_unwrap(wrapping, octets(entry["encrypted_key"]))
    data = octets(message["ciphertext"]) + octets(message["tag"])
    extra = f"{message['protected']}.{message['aad']}".encode()
    return AESGCM(content_key).decrypt(octets(message["iv"]), data, extra), octets(message["aad"])


def test_an_event_opens_by_the_standards_alone_for_every_recipient() -> None:
    keys = [new_key(), new_key()]
    sealer = JweSealer([ECKey.import_key(public_jwk(key)) for key in keys])
    row = EnvelopeRenderer("h", "w", sealer=sealer).render(Draft("id-1", SAMPLE), 7, 3)
    assert row.sealed is not None
    assert set(json.loads(row.sealed)) == {"protected", "recipients", "aad", "iv", "ciphertext", "tag"}
    for key in keys:
        plain, aad = opened_by_hand(row.sealed, key)
        event, bound = json.loads(plain), json.loads(aad)
        assert CANARY in plain.decode()
        assert set(bound) == {"window", "epoch", "seq", "topic", "type", "exp"}
        assert (bound["window"], bound["epoch"], bound["seq"]) == ("h/w", event["epoch"], event["seq"])
        assert bound["topic"] == f"hall/v1/h/w/sealed/{row.topic}"
        assert bound["exp"] > event["time"]
    assert json.loads(octets(json.loads(row.sealed)["protected"]))["cty"] == "application/cloudevents+json"


def test_a_key_seals_nothing_twice_in_the_same_way() -> None:
    sealer = JweSealer([new_key()])
    one, other = (json.loads(sealer.seal(b"x", b"{}")) for _ in range(2))
    for member in ("iv", "ciphertext", "tag", "recipients"):
        assert one[member] != other[member], member


def test_a_command_is_sealed_to_the_window_and_opens_by_the_standards() -> None:
    window_key = new_key()
    window = Window("h", "w")
    window.status = Status(state="online", epoch=1, key=public_jwk(window_key))
    body = {"request_id": "r", "deadline": "d", "params": {"number": "11010519491231002X"}}
    sealed, content_type = Parcel("h/w", "id-1", "read", TOPIC, body).packed(window, None)
    assert content_type == "application/jose+json"
    plain, aad = opened_by_hand(sealed, window_key)
    assert json.loads(plain) == body
    assert json.loads(aad) == {"topic": TOPIC, "request_id": "r"}


@pytest.mark.parametrize("size", [1, PART_BYTES, 2 * PART_BYTES + 5])
def test_the_parts_of_a_picture_open_by_the_standard_alone(size: int) -> None:
    blob, key, data = "0193f0a0-0000-7000-8000-000000000000", new_blob_key(), bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    seal = part_sealer(key, blob)
    parts = [seal(number, data[at : at + PART_BYTES]) for number, at in enumerate(range(0, size, PART_BYTES))]
    plain = [AESGCM(key).decrypt(n.to_bytes(12), part, f"{blob}/{n}".encode()) for n, part in enumerate(parts)]
    assert b"".join(plain) == data
    assert {len(part) - len(one) for part, one in zip(parts, plain, strict=True)} == {16}
    opener = part_opener(key, blob)
    assert [opener(n, part) for n, part in enumerate(parts)] == plain
