"""A device's port: the address of its configuration, and all that the core sees of its traffic."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edge import logs
from edge.events import BlobRef, MediaType, Params
from edge.links import Line, Link
from edge.links.address import Address
from edge.links.opening import open_link
from edge.links.replay import ReplayLink
from edge.plugging.plugged import Plugged, wanted
from edge.traffic import Traffic

Buffer = bytes | bytearray | memoryview
_WAITING_BLOBS = 3


class Held(Protocol):
    """What stands between a port and its device, besides a link: a driver's process."""

    def wake(self) -> None: ...
    def close(self) -> None: ...


class DevicePort:
    """Implements ``edge.driver.Port`` for one device; opened links are remembered, so that they can be woken."""

    def __init__(
        self,
        device: str,
        address: Address,
        digest_key: bytes = b"",
        *,
        public_traffic: bool = False,
        plugged: Callable[[], Sequence[Plugged] | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self.address = address
        self._clock = clock
        self.last_proof: float | None = None
        self.simulated = False
        self.slow_s = 0.0
        """How much longer than usual a call may take now."""
        self.beat: Callable[[], None] = lambda: None
        """Shows that the driver has moved on."""
        self.digest_key = digest_key
        self.public_traffic = public_traffic
        self._plugged = plugged
        self._link: Link | None = None
        self._held: Held | None = None
        self._woken = threading.Event()
        self._blobs: dict[str, Buffer] = {}
        self._log = logs.for_device(device)
        self.traffic = Traffic(self.monotonic)

    def open(self, line: Line | None = None) -> Link:
        self._link = open_link(self.address, line, self._tap)
        if isinstance(self._link, ReplayLink):
            self._clock = self._link.monotonic
            self._link.on_wait = self._awaits
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

    @contextmanager
    def slow(self, limit_s: float) -> Iterator[None]:
        self.slow_s = limit_s
        try:
            yield
        finally:
            self.beat()
            self.slow_s = 0.0

    def blob(self, data: Buffer, media_type: MediaType) -> BlobRef:
        digest = hashlib.sha256(data).hexdigest()
        ref = BlobRef(id=str(uuid.uuid4()), media_type=media_type, size=memoryview(data).nbytes, sha256=digest)
        self.keep_blob(ref, data)
        return ref

    def keep_blob(self, ref: BlobRef, data: Buffer) -> None:
        """Let a blob wait for the event that names it. Raises ``RuntimeError`` when too many wait already."""
        if len(self._blobs) >= _WAITING_BLOBS:
            raise RuntimeError(f"{_WAITING_BLOBS} blobs already wait for the event that names them")
        self._blobs[ref.id] = data

    def take_blob(self, blob: str) -> Buffer:
        """Return the bytes of a blob, once. Raises ``KeyError``."""
        return self._blobs.pop(blob)

    def digest(self, text: str) -> str:
        return hmac.new(self.digest_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    def log(self, message: str, **fields: float | str | bool) -> None:
        self._log.info(message, extra={"fields": fields})

    def present(self) -> bool:
        """Return whether opening is worth a try: the device is there, or nobody can tell. Takes microseconds."""
        one = wanted(self.address)
        if one is not None and one.node is None:
            found = self._plugged()
            return found is None or any(one.fits(device) for device in found)
        if not self.address.target.startswith("/") or "%" in self.address.target:
            return True  # no path, or a pattern of paths: only opening tells
        try:
            return bool(Path(self.address.target).stat())
        except OSError as error:
            return not isinstance(error, FileNotFoundError | NotADirectoryError)

    def around(self) -> Sequence[Plugged] | None:
        """Return what is plugged into the PC; ``None``: nobody knows."""
        return self._plugged()

    def begins(self, command: Params | None) -> None:
        """Note that the driver begins a job. In the lane's thread."""
        self.traffic.begins(command)
        if command is not None and isinstance(self._link, ReplayLink):
            self._link.commanded()

    def _awaits(self, number: int) -> None:
        """Tell that a replayed device waits for its next command."""
        self._log.info("the recording waits for a command", extra={"fields": {"code": "REP-109", "number": number}})

    def hold(self, held: Held) -> None:
        """Remember a driver's process, so that it can be woken and ended as a link can."""
        self._held = held

    def wake(self) -> None:
        """Make a waiting poll return at once. Any thread."""
        self._woken.set()
        for way in (self._link, self._held):
            if way is not None:
                way.wake()

    def release(self) -> None:
        """Close whatever is open, also under a hung call. Any thread."""
        self._blobs.clear()
        for way in (self._link, self._held):
            if way is not None:
                way.close()

    def _tap(self, direction: str, data: bytes) -> None:
        if direction == "<":
            self.last_proof = self.monotonic()
        self.traffic.said(direction, data)
        if self._log.isEnabledFor(logs.TRAFFIC):
            shown = data.hex(" ") if self.public_traffic else "withheld"
            self._log.log(logs.TRAFFIC, direction, extra={"fields": {"bytes": len(data), "hex": shown}})
