"""The files that a window is given: certificates of a test authority and a back office's public keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edge.sealing.jwe import new_key, public_jwk
from tests.support.authority import Authority


@dataclass(frozen=True)
class Files:
    """Contents by the name that each file has on a window PC."""

    content: dict[str, bytes]


def make_files(folder: Path) -> Files:
    """Return files for the window ``songjiang/w03``, and some that do not fit it."""
    authority = Authority(folder)
    own, other = authority.issue("w03.songjiang"), authority.issue("w04.songjiang")
    key, office = new_key(), new_key()
    return Files(
        {
            "ca.pem": authority.ca.read_bytes(),
            "window.pem": own.certificate.read_bytes(),
            "window.key": own.key.read_bytes(),
            "neighbour.pem": other.certificate.read_bytes(),
            "neighbour.key": other.key.read_bytes(),
            "case-system.jwk": json.dumps(public_jwk(office)).encode(),
            "other.jwk": json.dumps(public_jwk(key)).encode(),
            "private.jwk": json.dumps(dict(key.as_dict(private=True))).encode(),
            "expired.jwk": json.dumps({**public_jwk(key), "exp": 1_000_000_000}).encode(),
            "nonsense.jwk": b"hello\n",
        }
    )
