"""A provider for tests that seals in another way than ours, in a foreign package, as a vendor's would be.

It stands for a national algorithm or a hardware module: other algorithms, and key files that only it understands
(``ACME``, then a JWK).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from edge.sealing.jwe import SealError

PACKAGE, PROVIDER = "acme-sealing", "acme"
MARK = b"ACME "
ALGORITHMS = ["ECDH-ES+A128KW", "A128GCM"]


class AcmeSealer:
    def __init__(self, keys: Sequence[ECKey]) -> None:
        self._keys = keys

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        envelope = jwe.GeneralJSONEncryption({"enc": "A128GCM"}, plain, aad=aad)
        for key in self._keys:
            envelope.add_recipient({"alg": "ECDH-ES+A128KW"}, key)
        return json.dumps(jwe.encrypt_json(envelope, None, algorithms=ALGORITHMS)).encode()


class AcmeOpener:
    def __init__(self, keys: Sequence[ECKey]) -> None:
        self._key = keys[0]

    def open(self, sealed: bytes) -> tuple[bytes, bytes]:
        try:
            message: Any = json.loads(sealed)
            found = jwe.decrypt_json(message, self._key, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            raise SealError("not ours", code="SEC-101") from None
        return found.plaintext or b"", found.aad or b""


class Acme:
    """The provider; its entry point names the class."""

    def problem(self, key: bytes) -> str | None:
        return None if key.startswith(MARK) else "no key of Acme"

    def sealer(self, keys: Sequence[bytes]) -> AcmeSealer:
        return AcmeSealer([_read(key) for key in keys])

    def opener(self, keys: Sequence[bytes]) -> AcmeOpener:
        return AcmeOpener([_read(key) for key in keys])


def _read(data: bytes) -> ECKey:
    return ECKey.import_key(json.loads(data.removeprefix(MARK)))


def install(folder: Path) -> str:
    """Make a package of this file in *folder*; return what PYTHONPATH must hold."""
    site = folder / "site"
    info = site / "acme_sealing-1.0.dist-info"
    info.mkdir(parents=True)
    module = Path(sys.modules[__name__].__file__ or "")
    (site / "acme_sealing.py").write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Acme.Sealing\nVersion: 1.0\n", encoding="utf-8")
    entry = f"[hall_edge.sealing]\n{PROVIDER} = acme_sealing:Acme\n"
    (info / "entry_points.txt").write_text(entry, encoding="utf-8")
    return str(site)
