"""Blobs as they cross the broker: which event wants which, and what a message of the branch ``blob/`` brings."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge.blobs.parts import KEY_BYTES, MAX_PARTS, PART_BYTES, TAG_BYTES, count_parts
from edge.subscriber.errors import WireError
from edge.subscriber.topics import ROOT

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_PART = re.compile(r"0|[1-9][0-9]{0,6}")
_LEVELS = 7
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says about its blob. A media type newer than this library is no reason to refuse it."""

    id: Annotated[str, Meta(pattern=rf"^{_ID.pattern}$(?!\n)")]
    media_type: Annotated[str, Meta(max_length=100)]
    size: Annotated[int, Meta(ge=1)]
    sha256: Sha256


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts of a blob make."""

    blob: str
    epoch: int
    seq: str
    size: int
    sha256: Sha256
    part_size: Annotated[int, Meta(ge=1, le=PART_BYTES)]
    parts: Annotated[int, Meta(ge=1, le=MAX_PARTS)]
    sealed: bool

    def part_bytes(self, number: int) -> int:
        """Return the size of a part as it is sent; 0 for one that there is not."""
        if number >= self.parts:
            return 0
        plain = min(self.part_size, self.size - number * self.part_size)
        return plain + (TAG_BYTES if self.sealed else 0)


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """Why a blob will not come."""

    blob: str
    reason: Annotated[str, Meta(pattern=r"^[a-z-]{1,32}$(?!\n)")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob that an event brings, and its key if it is sealed."""

    ref: Ref
    key: bytes | None

    def __repr__(self) -> str:
        return f"<Wanted {self.ref.id}>"


@dataclass(frozen=True, slots=True)
class BlobTopic:
    """``hall/v1/{hall}/{window}/blob/{blob}/{what}``; *what*: ``manifest``, ``gone``, or a part's number."""

    window: str
    blob: str
    what: str | int

    @classmethod
    def parse(cls, topic: str) -> BlobTopic | None:
        """Return the topic if every level is what it must be: levels become names of files."""
        levels = topic.split("/")
        if len(levels) != _LEVELS or not topic.startswith(f"{ROOT}/") or levels[4] != "blob":
            return None
        hall, window, blob, what = levels[2], levels[3], levels[5], levels[6]
        if not (_NAME.fullmatch(hall) and _NAME.fullmatch(window) and _ID.fullmatch(blob)):
            return None
        if what in ("manifest", "gone"):
            return cls(f"{hall}/{window}", blob, what)
        return cls(f"{hall}/{window}", blob, int(what)) if _PART.fullmatch(what) else None


def wanted_by(data: Mapping[str, Any], *, sealed: bool) -> Wanted | None:
    """Return the blob that an event with this body brings; raises :class:`WireError`."""
    if "blob" not in data:
        return None
    try:
        ref = msgspec.convert(data["blob"], Ref)
        key = base64.b64decode(data["blob_key"], validate=True) if sealed else None
    except (msgspec.ValidationError, ValueError, TypeError, KeyError):
        raise WireError("an event names a blob in a way that is none") from None
    if key is not None and len(key) != KEY_BYTES:
        raise WireError("an event names a blob with a key that is none")
    return Wanted(ref, key)


def read_manifest(payload: bytes, blob: str) -> Manifest:
    """Return the manifest in *payload*; raises :class:`WireError`."""
    found: Manifest = _decoded(payload, Manifest)
    if found.blob != blob or found.size < 1 or found.parts != count_parts(found.size, found.part_size):
        raise WireError("a manifest that does not add up")
    return found


def read_gone(payload: bytes, blob: str) -> str:
    """Return the reason in *payload*; raises :class:`WireError`."""
    found: Gone = _decoded(payload, Gone)
    if found.blob != blob:
        raise WireError("a blob is said to be gone on the topic of another")
    return found.reason


def _decoded(payload: bytes, kind: type[msgspec.Struct]) -> Any:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise WireError(f"a message that is no {kind.__name__}") from None
