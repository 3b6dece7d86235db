"""The unmodified store of one window: outbox, blobs, lock. What the bench breaks, and what it checks with."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from edge.blobs import rows
from edge.blobs.files import BlobFiles
from edge.blobs.intake import BlobIntake
from edge.blobs.rows import StoredBlob
from edge.envelope import Draft, EnvelopeRenderer
from edge.events import Rated, Read, Scanned
from edge.sealing.jwe import JweSealer, new_key, public_jwk
from edge.state_dir import take_lock
from edge.store.outbox import Outbox, Row
from edge.store.room import Room
from tests.core.blob_rig import Hand, page, picture, ref_of
from tests.core.samples import PERSON, SESSION

OFFICES = ("archive", "office")
HALL, WINDOW = "test-hall", "w01"


def digest_of(row: Row) -> str:
    """Return a digest of all that is sent for *row*."""
    return hashlib.sha256(b"\0".join((row.topic.encode(), row.public, row.sealed or b""))).hexdigest()[:32]


@cache
def _sealer() -> JweSealer:
    return JweSealer([ECKey.import_key(public_jwk(new_key()))])


class Store:
    """An open store. *rendered* hears of every row in its transaction, before anything of it is written."""

    def __init__(
        self, folder: Path, rendered: Callable[[Row], None] = lambda _row: None, room: Room | None = None
    ) -> None:
        self.lock = take_lock(folder)
        try:
            self._open(folder, rendered, room)
        except BaseException:
            os.close(self.lock)
            raise

    def _open(self, folder: Path, rendered: Callable[[Row], None], room: Room | None) -> None:
        renderer = EnvelopeRenderer(HALL, WINDOW, sealer=_sealer())

        def render(draft: Draft, seq: int, epoch: int) -> Row:
            row = renderer.render(draft, seq, epoch)
            rendered(row)
            return row

        self.outbox = Outbox(folder / "outbox.db", render, lambda _rows: None, OFFICES, room=room)
        self.outbox.open()
        self.files = BlobFiles(folder / "blobs", 100, 0)
        self.lost = self.files.begin(self.outbox.call(rows.everything).result())
        """Accepted blobs whose file is not whole."""
        self.intake = BlobIntake(self.files, self.outbox, seals=True, packet_limit=lambda: None)
        self.outbox.on_blobs = self.files.doom

    def rows(self) -> list[Row]:
        return self.outbox.between(0, 1 << 60).result()

    def blob_digest(self, blob: StoredBlob) -> str:
        """Return a digest of all its parts, as they are sent; raises ``LostBlob``."""
        whole = hashlib.sha256()
        for number in range(blob.parts):
            whole.update(self.files.part(blob, number))
        return whole.hexdigest()[:32]

    def blob_of(self, seq: int) -> StoredBlob | None:
        return next((blob for blob in self.outbox.call(rows.everything).result() if blob.seq == seq), None)

    def accept(self, draft: Draft, data: bytes | None = None) -> Row:
        """Accept one event, with its picture."""
        blob = getattr(draft.payload, "blob", None)
        (row,) = self.intake.commit(Hand(**({blob.id: data} if blob and data else {})), [draft])
        return row

    def close(self) -> None:
        self.outbox.close()
        os.close(self.lock)


def ticket(number: int, size: int = 20) -> Draft:
    """Return a public event of about *size* bytes."""
    text = f"A{number:07d}".ljust(size, ".")
    return Draft("gun-1", Scanned(content="public", length_bytes=len(text), text=text))


def rating(level: Any) -> Draft:
    return Draft("pad-1", Rated(session=SESSION, level=level, dwell_ms=900))


def personal() -> Draft:
    """Return an event of the most sensitive class: sealed, and its row is to be destroyed once it is confirmed."""
    return Draft("id-1", Read(mode="full", document="prc-resident", holder="0" * 32, purpose="test", person=PERSON))


def scanned_page(number: int, size: int, content: Any) -> tuple[Draft, bytes]:
    """Return the event of a page and its picture."""
    data = picture(size, number)
    return Draft("scan-1", page(ref_of(data), content)), data


def warm_up() -> None:
    """Do everything once: what is loaded and made when it is first needed is shared by forks then."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.accept(personal())
        store.accept(*scanned_page(1, 1000, "personal"))
        store.rows()
        store.close()
