"""What stands around blobs under test: an outbox with its folder of blobs, and a bulk connection to any broker."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from edge.blobs import rows
from edge.blobs.desk import BlobDesk
from edge.blobs.files import BlobFiles
from edge.blobs.rows import StoredBlob
from edge.config import Blobs
from edge.delivery.topics import Topics
from edge.delivery.transport import BrokerAddress
from edge.envelope import Draft, EnvelopeRenderer
from edge.events import BlobRef, Page
from edge.sealing.jwe import JweSealer, new_key, public_jwk
from edge.store.outbox import Outbox, Row
from tests.support.wait import wait_until
from tests.support.window import HALL, WINDOW

JOB = "0193f0a0-0000-7000-8000-000000000000"
TOPICS = Topics(HALL, WINDOW)
CLIENT_ID = f"hall-edge-{HALL}-{WINDOW}"
PART = 64 * 1024
KEY = new_key()


def picture(size: int = 150_000, seed: int = 0) -> bytes:
    """Return *size* bytes that no compression shrinks."""
    return hashlib.shake_256(str(seed).encode()).digest(size)


def ref_of(data: bytes, **other: Any) -> BlobRef:
    said: dict[str, Any] = {"id": str(uuid.uuid4()), "media_type": "image/jpeg", "size": len(data)}
    return BlobRef(**said | {"sha256": hashlib.sha256(data).hexdigest()} | other)


def page(ref: BlobRef, content: Any = "public", **other: Any) -> Page:
    said: dict[str, Any] = {"job": JOB, "number": 1, "sheet": 1, "width": 10, "height": 10, "dpi": 300, "color": "gray"}
    return Page(**said | {"content": content, "blob": ref} | other)


class Hand:
    """A port that holds the blobs of a driver."""

    def __init__(self, **blobs: bytes) -> None:
        self.blobs: dict[str, bytes | bytearray | memoryview] = dict(blobs)

    def take_blob(self, blob: str) -> bytes | bytearray | memoryview:
        return self.blobs.pop(blob)


class BlobRig:
    """An outbox, its blobs and their connection, on real files."""

    def __init__(
        self, folder: Path, port: int = 1, *, subscribers: Sequence[str] = (), seals: bool = True,
        max_mb: int = 100, reserve_mb: int = 0, packet_limit: int | None = None,
    ) -> None:  # fmt: skip
        sealer = JweSealer([ECKey.import_key(public_jwk(KEY))]) if seals else None
        renderer = EnvelopeRenderer(HALL, WINDOW, sealer=sealer)
        self.folder = folder / "blobs"
        self.outbox = Outbox(folder / "outbox.db", renderer.render, lambda _rows: None, subscribers)
        self.outbox.open()
        self.desk = BlobDesk(
            self.folder, Blobs(max_mb=max_mb, reserve_mb=reserve_mb), self.outbox,
            BrokerAddress("127.0.0.1", port, CLIENT_ID), TOPICS, seals=seals, packet_limit=lambda: packet_limit,
        )  # fmt: skip
        self.bulk = self.desk.bulk
        self.files_of = BlobFiles(self.folder, max_mb, reserve_mb)  # reads the same folder

    def take(self, data: bytes, content: str = "public", **other: Any) -> tuple[Row, StoredBlob]:
        """Accept one page with *data*; return its row and its blob as the store knows it."""
        ref = ref_of(data)
        draft = Draft("scan-1", page(ref, content, **other))
        (row,) = self.desk.intake.commit(Hand(**{ref.id: data}), [draft])
        blob = self.blob(ref.id)
        assert blob is not None
        return row, blob

    def blob(self, blob: str) -> StoredBlob | None:
        return self.outbox.call(lambda db: rows.find(db, blob)).result()

    def blobs(self) -> list[StoredBlob]:
        return self.outbox.call(rows.everything).result()

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def wait_sent(self, deadline_s: float = 10) -> None:
        wait_until(lambda: self.desk.health().waiting == 0, deadline_s, "every blob is sent")

    def close(self) -> None:
        self.bulk.end(5)
        self.outbox.close()


@contextmanager
def blobs(folder: Path, port: int = 1, **more: Any) -> Iterator[BlobRig]:
    """Lend a rig; without *port* there is no broker."""
    rig = BlobRig(folder, port, **more)
    try:
        yield rig
    finally:
        rig.close()
