"""What a driver does for ``hall-edge record``: everything personal in its traffic is replaced before it is written.

A substitute is made for one recording and keeps its own random key, so that the same person becomes the same invented
one within a recording, and nobody finds the way back. The bytes change, their number never does: a recording keeps the
timing and the pieces in which they came.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Collection, Mapping
from typing import Any, Literal

from edge.secret import Secret, SecretBytes

Sign = Literal["<", ">", "$"]
"""Said by the device, said to it, a command begins."""


class Substitute:
    """Replaces nothing: for drivers whose traffic is public. Called in one thread, in the order of the traffic."""

    def __init__(self, settings: Any) -> None:
        """*settings* are those of the driver."""
        del settings
        self._secret = secrets.token_hex(16)

    def starts(self, sign: Sign, data: bytes) -> bool:
        """Return whether a recording may begin with this: a driver that has just opened would say and expect the same.

        Asked of all traffic until it says yes; what came before is not recorded.
        """
        del sign, data
        return True

    def feed(self, data: bytes, gap_s: float) -> bytes:
        """Take what the device said, *gap_s* after what it said before; return what is replaced by now, in order.

        Hold back what is not whole yet.
        """
        del gap_s
        return data

    def flush(self) -> bytes:
        """Return all that is held back, replaced, whole or not: the driver speaks now, or the recording ends."""
        return b""

    def sent(self, data: bytes) -> bytes:
        """Return what the driver has written in one go, replaced."""
        return data

    def params(self, params: Mapping[str, Any], sealed: Collection[str]) -> dict[str, Any]:
        """Return a command's parameters, replaced; those called one of *sealed* say something about a person."""
        return {name: value for name, value in params.items() if name not in sealed}

    def dice(self, *what: object) -> random.Random:
        """Return a source of random choices that is the same for the same *what*, in this recording only."""
        revealed = [one.reveal() if isinstance(one, SecretBytes) else plain(one) for one in what]
        return random.Random(f"{self._secret} {revealed!r}")  # noqa: S311  # nothing secret comes of it


def plain(text: Any) -> Any:
    """Return what is in a personal text; all else as it is."""
    return text.reveal() if isinstance(text, Secret) else text
