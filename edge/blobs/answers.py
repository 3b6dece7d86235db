"""Blobs that subscribers ask for again: read part by part, one answer after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import msgspec

from edge import logs
from edge.blobs import rows
from edge.blobs.files import BlobFiles, LostBlob
from edge.blobs.rows import StoredBlob
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.errors import EdgeError
from edge.store.outbox import Outbox
from edge.wire import BlobGone, BlobReplayRequest, Manifest

MANIFEST_TYPE = "application/json"
PART_TYPE = "application/octet-stream"
_WAITING = 1000
_log = logs.get("bulk")


def manifest(blob: StoredBlob, epoch: int) -> bytes:
    """Return the manifest of *blob* as it crosses the broker."""
    return msgspec.json.encode(
        Manifest(
            blob=blob.id, event=blob.event, epoch=epoch, seq=str(blob.seq), media_type=blob.media_type,  # type: ignore[arg-type]  # checked when it was taken
            size=blob.size, sha256=blob.sha256, part_size=blob.part_size, parts=blob.parts, sealed=blob.sealed,
        )
    )  # fmt: skip


class Answers:
    """Used in the thread of the bulk connection; :meth:`ask` may be called from any."""

    def __init__(
        self,
        outbox: Outbox,
        topics: Topics,
        files: BlobFiles,
        wake: Callable[[], None],
        handed: Callable[[StoredBlob], int],
    ) -> None:
        """*handed*: how many parts of a blob were sent at least once; the others come of themselves."""
        self.replayed = 0
        self._outbox, self._topics, self._files = outbox, topics, files
        self._wake, self._handed = wake, handed
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, str], BlobReplayRequest] = {}
        self._found: tuple[str, BlobReplayRequest, StoredBlob | None] | None = None
        self._looking = False
        self._messages: Iterator[Message] = iter(())

    def ask(self, subscriber: str, request: BlobReplayRequest) -> None:
        """Note what *subscriber* asks for; a newer request takes the place of an older one for the same blob."""
        with self._lock:
            if len(self._asked) < _WAITING or (subscriber, request.blob) in self._asked:
                self._asked[subscriber, request.blob] = request  # else it asks again

    def next_message(self) -> Message | None:
        """Return the next message of an answer; ``None``: there is none, or it is being looked for."""
        while True:
            message = next(self._messages, None)
            if message is not None:
                self.replayed += 1
                return message
            if self._found is not None:
                found, self._found = self._found, None
                self._messages = self._answer(*found)
            elif not self._look():
                return None

    def _look(self) -> bool:
        """Ask the store for the next wanted blob; return whether there is something to be read at once."""
        if self._looking or self._found is not None:
            return self._found is not None
        with self._lock:
            if not self._asked:
                return False
            subscriber, blob = next(iter(self._asked))
            request = self._asked.pop((subscriber, blob))
        self._looking = True
        future = self._outbox.call(lambda db: rows.find(db, blob))
        future.add_done_callback(lambda done: self._came(subscriber, request, done))
        return self._found is not None

    def _came(self, subscriber: str, request: BlobReplayRequest, future: Future[StoredBlob | None]) -> None:
        try:
            self._found = (subscriber, request, future.result())
        except EdgeError as error:  # the outbox has failed, and says so itself
            _log.debug(error.message)
        self._looking = False
        self._wake()

    def _answer(self, subscriber: str, asked: BlobReplayRequest, blob: StoredBlob | None) -> Iterator[Message]:
        to = self._topics.replayed(subscriber)
        gone = self._topics.gone(asked.blob)
        if blob is None or blob.parked:
            reason = (blob and blob.parked) or "unknown"
            yield _again(to, gone, msgspec.json.encode(BlobGone(blob=asked.blob, reason=reason)), MANIFEST_TYPE)
            return
        upto = self._handed(blob)
        if not upto:
            return  # nothing of it went out yet: it comes by itself
        try:
            yield _again(to, self._topics.manifest(blob.id), manifest(blob, self._outbox.epoch), MANIFEST_TYPE)
            for first, last in asked.parts:
                for number in range(first, min(last, upto - 1) + 1):
                    data = self._files.part(blob, number)
                    yield _again(to, self._topics.part(blob.id, number), data, PART_TYPE)
        except LostBlob:
            yield _again(to, gone, msgspec.json.encode(BlobGone(blob=asked.blob, reason="lost")), MANIFEST_TYPE)


def _again(topic: str, original: str, payload: bytes, content_type: str) -> Message:
    return Message(topic, payload, content_type=content_type, user=(("replayed", "true"), ("topic", original)))
