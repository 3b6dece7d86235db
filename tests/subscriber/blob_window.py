"""A fake window with pictures: manifests and parts, sealed or plain, and answers to who asks for parts."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge.blobs.parts import new_blob_key, part_sealer
from tests.subscriber.fake_window import FakeWindow

PART = 1000
"""Small parts, so that small pictures have many."""


@dataclass(frozen=True)
class Picture:
    """A blob as it crosses the broker: its event's number, its manifest and its parts."""

    seq: int
    id: str
    plain: bytes
    manifest: dict[str, Any]
    parts: tuple[bytes, ...]


def picture_bytes(size: int, seed: int = 0) -> bytes:
    return hashlib.shake_256(str(seed).encode()).digest(size)


def cut(blob: str, plain: bytes, key: bytes | None, part_size: int = PART) -> tuple[bytes, ...]:
    """Return the parts of *plain* as they cross the broker."""
    parts = [plain[at : at + part_size] for at in range(0, len(plain), part_size)]
    seal = part_sealer(key, blob) if key else lambda _number, part: bytes(part)
    return tuple(seal(number, part) for number, part in enumerate(parts))


def manifest_of(seq: int, blob: str, plain: bytes, *, sealed: bool, part_size: int = PART) -> dict[str, Any]:
    return {
        "blob": blob, "event": str(uuid.uuid4()), "epoch": 1, "seq": str(seq), "media_type": "image/jpeg",
        "size": len(plain), "sha256": hashlib.sha256(plain).hexdigest(), "part_size": part_size,
        "parts": -(-len(plain) // part_size), "sealed": sealed,
    }  # fmt: skip


class BlobWindow(FakeWindow):
    """Events with pictures, besides all others."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.pictures: dict[str, Picture] = {}
        self.gone_blobs: dict[str, str] = {}
        self.asked: list[dict[str, Any]] = []

    def shoot(self, size: int = 5 * PART + 1, *, sealed: bool = False, media_type: str = "image/jpeg") -> Picture:
        """Accept a page with a picture."""
        seq, blob = self.head + 1, str(uuid.uuid4())
        plain, key = picture_bytes(size, seq), new_blob_key() if sealed else None
        manifest = manifest_of(seq, blob, plain, sealed=sealed)
        ref = {"id": blob, "media_type": media_type, "size": size, "sha256": manifest["sha256"]}
        data: dict[str, Any] = {
            "job": str(uuid.uuid4()), "number": seq, "sheet": seq, "width": 9, "height": 9, "dpi": 300, "color": "gray",
            "blob": ref,
        }  # fmt: skip
        data |= {} if sealed else {"content": "public"}
        personal = {"blob_key": base64.b64encode(key).decode()} if key else None
        assert self.accept("scan-1", "scanner.page", data, personal=personal) == seq
        self.pictures[blob] = picture = Picture(seq, blob, plain, manifest, cut(blob, plain, key))
        return picture

    async def upload(self, picture: Picture, parts: Iterable[int] | None = None, *, manifest: bool = True) -> None:
        """Send the manifest and *parts*, all by default, in this order."""
        if manifest:
            await self.publish(f"blob/{picture.id}/manifest", json.dumps(picture.manifest).encode())
        for number in range(len(picture.parts)) if parts is None else parts:
            await self.publish(f"blob/{picture.id}/{number}", picture.parts[number])

    async def _repeat(self, branch: str, subscriber: str, body: dict[str, Any]) -> None:
        if "blob" not in body:
            await super()._repeat(branch, subscriber, body)
            return
        self.asked.append(body)
        if not self.deaf:
            for what, payload in self._answers(body):
                about = [("replayed", "true"), ("topic", f"{self.root}/blob/{body['blob']}/{what}")]
                kind = "application/octet-stream" if what.isdigit() else "application/json"
                await self.publish(f"replayed/{subscriber}", payload, ContentType=kind, UserProperty=about)

    def _answers(self, body: dict[str, Any]) -> Iterable[tuple[str, bytes]]:
        picture = self.pictures.get(body["blob"])
        reason = "unknown" if picture is None else self.gone_blobs.get(picture.id)
        if picture is None or reason:
            yield "gone", json.dumps({"blob": body["blob"], "reason": reason}).encode()
            return
        yield "manifest", json.dumps(picture.manifest).encode()
        for first, last in body["parts"]:
            for number in range(first, min(last, len(picture.parts) - 1) + 1):
                yield str(number), picture.parts[number]
