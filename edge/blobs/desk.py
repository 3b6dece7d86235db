"""Everything that has to do with blobs, put together for the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge import logs
from edge.blobs import rows
from edge.blobs.bulk import Bulk
from edge.blobs.files import BlobFiles
from edge.blobs.intake import BlobIntake
from edge.delivery.topics import Topics
from edge.delivery.transport import BrokerAddress
from edge.store.outbox import Outbox
from edge.wire import BlobsHealth

if TYPE_CHECKING:
    from edge.config import Blobs

_log = logs.get("bulk")


class BlobDesk:
    """Takes blobs in (:attr:`intake`), sends them (:attr:`bulk`), and tells how they are."""

    def __init__(
        self, folder: Path, limits: Blobs, outbox: Outbox, address: BrokerAddress, topics: Topics,
        *, seals: bool, packet_limit: Callable[[], int | None],
    ) -> None:  # fmt: skip
        """Make what the folder holds agree with the open *outbox*; raises ``StoreError``."""
        self._outbox = outbox
        self._files = BlobFiles(folder, limits.max_mb, limits.reserve_mb)
        known = outbox.call(rows.everything).result()
        for blob in self._files.begin(known):
            if blob.parked != "lost":
                _log.error("the file of a blob is not whole", extra={"fields": {"blob": blob.id}})
                seq = blob.seq
                outbox.call(lambda db, seq=seq: outbox.blobs.park(db, seq, "lost")).result()  # type: ignore[misc]
        self.intake = BlobIntake(self._files, outbox, seals=seals, packet_limit=packet_limit)
        self.bulk = Bulk(address, topics, self._files, outbox)
        outbox.on_blobs = self.bulk.changed

    def start(self) -> None:
        """Go on with what was not sent before."""
        if self._outbox.blobs.waiting:
            self.bulk.changed([])

    def renew(self, limits: Blobs, address: BrokerAddress, *, seals: bool) -> None:
        """Go by a new configuration from now on."""
        self._files.limit(limits.max_mb, limits.reserve_mb)
        self.intake.seals = seals
        self.bulk.renew(address)

    def health(self) -> BlobsHealth:
        """Return what ``health`` says about blobs."""
        table, bulk = self._outbox.blobs, self.bulk
        return BlobsHealth(
            count=table.count,
            bytes=self._files.bytes,
            waiting=table.waiting,
            quarantined=table.parked,
            link=bulk.link if bulk.begun else "idle",
            code=bulk.problem.code if bulk.problem else None,
        )
