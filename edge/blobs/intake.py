"""Where a driver's picture becomes durable: written and synced first, then accepted with its event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import msgspec

from edge.blobs.files import BlobFiles, Buffer
from edge.blobs.parts import PART_BYTES, new_blob_key
from edge.blobs.rows import StoredBlob
from edge.envelope import BadPayload, Draft
from edge.errors import StoreError
from edge.events import WithBlob
from edge.store.outbox import Outbox, Row

_AROUND_BYTES = 1024  # topic, properties and header of the packet that brings a part
_LEAST_BYTES = 1024


class BlobPort(Protocol):
    """Where the bytes wait that a driver has handed over."""

    def take_blob(self, blob: str) -> Buffer: ...


class BlobIntake:
    """Makes events with their blobs durable. Called in the lanes' threads."""

    def __init__(
        self, files: BlobFiles, outbox: Outbox, *, seals: bool, packet_limit: Callable[[], int | None]
    ) -> None:
        """*seals*: there is somebody to seal personal data to. *packet_limit*: what the broker takes at most."""
        self.seals = seals
        self._files, self._outbox, self._packet_limit = files, outbox, packet_limit

    def commit(self, port: BlobPort, drafts: Sequence[Draft]) -> list[Row]:
        """Make *drafts* durable in one transaction, blobs included; raises what either of them does not allow."""
        if not any(isinstance(draft.payload, WithBlob) for draft in drafts):
            return self._outbox.commit(drafts)
        taken: list[StoredBlob] = []
        try:
            ready = [self._taken(port, draft, taken) for draft in drafts]
        except BaseException:
            self._drop(taken)
            raise
        try:
            return self._outbox.commit(ready)
        except StoreError:
            raise  # perhaps it is durable all the same; if not, the next start deletes the files
        except BaseException:
            self._drop(taken)
            raise

    def _taken(self, port: BlobPort, draft: Draft, taken: list[StoredBlob]) -> Draft:
        payload = draft.payload
        if not isinstance(payload, WithBlob):
            return draft
        data = _handed_over(port, payload)
        keyed = msgspec.structs.replace(payload, blob_key=new_blob_key())
        sealed = "blob_key" in keyed.hidden()
        if sealed and not self.seals:
            raise BadPayload("a personal picture, and nobody to seal it to", code="DRV-103")
        blob = self._files.take(payload.blob, data, self._part_size(), keyed.blob_key if sealed else None)
        taken.append(blob)
        return replace(draft, payload=keyed if sealed else payload, blob=blob)

    def _part_size(self) -> int:
        """Return 64 KiB, or what fits into the largest packet the broker takes."""
        limit = self._packet_limit()
        return PART_BYTES if limit is None else max(_LEAST_BYTES, min(PART_BYTES, limit - _AROUND_BYTES))

    def _drop(self, taken: Sequence[StoredBlob]) -> None:
        for blob in taken:
            self._files.remove(blob)


def _handed_over(port: BlobPort, payload: WithBlob) -> Buffer:
    """Return the bytes that *payload* names; raises :class:`BadPayload`."""
    try:
        msgspec.convert(msgspec.to_builtins(payload.blob), type(payload.blob))  # its id becomes a file's name
        if payload.blob_key is not None:
            raise BadPayload(f"{payload!r} comes with a key: that is given by the core", code="DRV-106")
        return port.take_blob(payload.blob.id)
    except (msgspec.ValidationError, KeyError, AttributeError, TypeError):
        raise BadPayload(f"{payload!r} names a blob that was not handed over", code="DRV-106") from None
