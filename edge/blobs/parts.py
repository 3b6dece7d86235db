"""How a blob is cut, and how its parts are sealed: A256GCM, one key a blob, one nonce a part.

The nonce is the part's number (96 bits, big-endian), the additional data the text ``{blob}/{part}``: a part opens
only under its own blob and number. A key seals one blob and is never used again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

PART_BYTES = 64 * 1024
TAG_BYTES = 16
KEY_BYTES = 32
MAX_PARTS = 1 << 20

PartCipher = Callable[[int, bytes | memoryview], bytes]
"""Takes a part's number and its bytes."""


class PartDamaged(ValueError):
    """A sealed part is not what was sealed under its number and key."""


def count_parts(size: int, part_size: int) -> int:
    """Return how many parts *size* bytes make."""
    return -(-size // part_size)


def new_blob_key() -> bytes:
    """Return a fresh key for one blob."""
    return secrets.token_bytes(KEY_BYTES)


def part_sealer(key: bytes, blob: str) -> PartCipher:
    """Return what seals the parts of *blob*; each becomes 16 bytes longer."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # heavy, not always needed

    cipher = AESGCM(key)
    return lambda number, data: cipher.encrypt(number.to_bytes(12, "big"), data, f"{blob}/{number}".encode())


def part_opener(key: bytes, blob: str) -> PartCipher:
    """Return what opens the parts of *blob*; it raises :class:`PartDamaged`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(key)

    def opened(number: int, data: bytes | memoryview) -> bytes:
        try:
            return cipher.decrypt(number.to_bytes(12, "big"), data, f"{blob}/{number}".encode())
        except InvalidTag:
            raise PartDamaged(f"part {number} is damaged") from None

    return opened
