"""A device's port in the driver's own process."""

from __future__ import annotations

from edge.events import BlobRef
from edge.lanes.channel import MAX_BYTES, Start, sealed_file
from edge.port import Buffer, DevicePort


class WorkerPort(DevicePort):
    """A device's port in the driver's process: its pictures become memory files."""

    def __init__(self, start: Start) -> None:
        super().__init__(start.device, start.address, start.digest_key, public_traffic=start.public_traffic)
        self._files: list[tuple[BlobRef, int]] = []

    def keep_blob(self, ref: BlobRef, data: Buffer) -> None:
        if ref.size > MAX_BYTES:
            raise ValueError(f"a blob is larger than {MAX_BYTES} bytes")
        super().keep_blob(ref, b"")  # counts those that wait
        self._files.append((ref, sealed_file(data)))

    def take_files(self) -> tuple[list[BlobRef], list[int]]:
        """Return what waits, to be handed over; the descriptors belong to the caller."""
        files, self._files = self._files, []
        for ref, _ in files:
            self.take_blob(ref.id)
        return [ref for ref, _ in files], [fd for _, fd in files]
