"""A pad profile made ready for use: what to write, and what a received body means. Pure bytes, no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drivers._pad_frame import Shape
from drivers._pad_notation import Part, render
from drivers._pad_profile import Meaning, Profile, ReasonsSection

_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Signal:
    """What the pad said. ``means`` only with a ``key``; ``raw`` is the key's value."""

    what: Literal["key", "released", "unmapped", "accepted", "heartbeat", "unknown"]
    raw: bytes = b""
    means: Meaning | None = None
    reasons: tuple[str, ...] = ()
    bad_reasons: bool = False


@dataclass(frozen=True)
class Keys:
    """Where the key stands in a body, what its values mean, and where its reasons are."""

    starts: bytes
    offset: int
    values: Mapping[bytes, Meaning]
    reasons: ReasonsSection | None
    open_end: bool = False
    """Whether anything may stand behind the key's value: the rest of a report."""

    def find(self, body: bytes) -> Signal:
        """Return the key in *body*, which begins with ``starts``."""
        for raw, means in self.values.items():
            end = self.offset + len(raw)
            if body[self.offset : end] != raw:
                continue
            if self.reasons is None and not self.open_end and len(body) != end:
                break
            if means == "released":
                return Signal("released", raw)
            if self.reasons is None:
                return Signal("key", raw, means)
            reasons, bad = self._reasons(body, self.reasons, end)
            return Signal("key", raw, means, reasons, bad)
        return Signal("unmapped", body[self.offset :])

    @staticmethod
    def _reasons(body: bytes, section: ReasonsSection, end: int) -> tuple[tuple[str, ...], bool]:
        rest = body[end if section.offset is None else section.offset :]
        pieces = [rest[at : at + section.width] for at in range(0, len(rest), section.width)]
        whole = (piece for piece in pieces if len(piece) == section.width)
        codes = (piece.hex() if section.form == "hex" else piece.decode("latin-1") for piece in whole)
        good = tuple(code for code in codes if _TOKEN.fullmatch(code))
        return good, len(good) < len(pieces)


@dataclass(frozen=True)
class Protocol:
    """Everything the driver has to know about its pad."""

    profile: Profile
    shape: Shape
    gap_s: float
    init: bytes
    request: tuple[Part, ...]
    cancel: tuple[Part, ...]
    key_taken: tuple[Part, ...]
    accepted: bytes
    heartbeat: bytes
    keys: Keys

    def frame(self, body: tuple[Part, ...], values: Mapping[str, int]) -> bytes:
        """Return the frame for *body*, nothing when the profile has none; raises ``OverflowError``."""
        return self.shape.encode(render(body, values), values["address"]) if body else b""

    def understand(self, body: bytes) -> Signal:
        """Return what a received *body* means."""
        if self.accepted and body.startswith(self.accepted):
            return Signal("accepted")
        if self.heartbeat and body.startswith(self.heartbeat):
            return Signal("heartbeat")
        if body.startswith(self.keys.starts):
            return self.keys.find(body)
        return Signal("unknown")
