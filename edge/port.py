"""A device's port: the address of its configuration, and all that the core sees of its traffic."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge import logs
from edge.events import BlobRef, MediaType
from edge.links import Line, Link, SerialLine
from edge.links.address import Address
from edge.links.replay import open_replay
from edge.links.serial import open_serial
from edge.links.tcp import open_tcp

Buffer = bytes | bytearray | memoryview
_WAITING_BLOBS = 3


class DevicePort:
    """Implements ``edge.driver.Port`` for one device; opened links are remembered, so that they can be woken."""

    def __init__(
        self,
        device: str,
        address: Address,
        digest_key: bytes = b"",
        *,
        public_traffic: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self.address = address
        self._clock = clock
        self.last_proof: float | None = None
        self.simulated = False
        self._digest_key = digest_key
        self._public_traffic = public_traffic
        self._link: Link | None = None
        self._woken = threading.Event()
        self._blobs: dict[str, Buffer] = {}
        self._log = logs.for_device(device)

    def open(self, line: Line | None = None) -> Link:
        target, options = self.address.target, self.address.options
        if self.address.scheme == "serial":
            line = line or SerialLine()
            numbers = {key: int(options[key]) for key in ("baud", "data_bits", "stop_bits") if key in options}
            wanted = replace(line, **numbers, parity=options.get("parity", line.parity))
            self._link = open_serial(target, wanted, self._tap, fixed="baud" in options)
        elif self.address.scheme == "tcp":
            host, _, port = target.rpartition(":")
            self._link = open_tcp(host.strip("[]"), int(port), self._tap)
        else:
            replay = open_replay(target, options, self._tap)
            self._clock = replay.monotonic
            self._link = replay
        self.simulated = self._link.simulated
        self.last_proof = None  # an open line proves nothing yet
        return self._link

    def monotonic(self) -> float:
        return self._clock()

    def idle(self, wait_s: float) -> bool:
        woken = self._woken.wait(max(0.0, wait_s))
        self._woken.clear()
        return woken

    def proved(self) -> None:
        self.last_proof = self.monotonic()

    def blob(self, data: Buffer, media_type: MediaType) -> BlobRef:
        if len(self._blobs) >= _WAITING_BLOBS:
            raise RuntimeError(f"{_WAITING_BLOBS} blobs already wait for the event that names them")
        digest = hashlib.sha256(data).hexdigest()
        ref = BlobRef(id=str(uuid.uuid4()), media_type=media_type, size=memoryview(data).nbytes, sha256=digest)
        self._blobs[ref.id] = data
        return ref

    def take_blob(self, blob: str) -> Buffer:
        """Return the bytes of a blob, once. Raises ``KeyError``."""
        return self._blobs.pop(blob)

    def digest(self, text: str) -> str:
        return hmac.new(self._digest_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    def log(self, message: str, **fields: float | str | bool) -> None:
        self._log.info(message, extra={"fields": fields})

    def present(self) -> bool:
        """Return whether opening is worth a try: the device is there, or nobody can tell."""
        try:
            return not self.address.target.startswith("/") or bool(Path(self.address.target).stat())
        except OSError as error:
            return not isinstance(error, FileNotFoundError | NotADirectoryError)

    def wake(self) -> None:
        """Make a waiting poll return at once. Any thread."""
        self._woken.set()
        if self._link is not None:
            self._link.wake()

    def release(self) -> None:
        """Close whatever is open, also under a hung call. Any thread."""
        self._blobs.clear()
        if self._link is not None:
            self._link.close()

    def _tap(self, direction: str, data: bytes) -> None:
        if direction == "<":
            self.last_proof = self.monotonic()
        if self._log.isEnabledFor(logs.TRAFFIC):
            shown = data.hex(" ") if self._public_traffic else "withheld"
            self._log.log(logs.TRAFFIC, direction, extra={"fields": {"bytes": len(data), "hex": shown}})
