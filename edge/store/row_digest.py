"""The check value of a stored row: 128 bits over all its columns, so that a flipped bit is found when it is read.

SQLite notices damage of a page's structure, not of what stands in a row. The value is a plain BLAKE2b, not a keyed
one: it guards against disks and memory, and whoever may write the store may read a key beside it too. That key could
only get lost, and every row with it.
"""

from __future__ import annotations

from hashlib import blake2b

DIGEST_BYTES = 16

Scalar = int | float | str | bytes | None


def row_digest(table: str, columns: tuple[Scalar, ...], *bodies: bytes | None) -> bytes:
    """Return the check value of a row of *table*: its small *columns*, and what is too large to be written out.

    Raises ``TypeError`` when a body is no bytes: such a row is damaged.
    """
    parts = [b"%a" % (columns,)]
    for body in bodies:
        parts += (b"\0-",) if body is None else (b"\0%d:" % len(body), body)
    return blake2b(b"".join(parts), digest_size=DIGEST_BYTES, person=table.encode("ascii")).digest()
