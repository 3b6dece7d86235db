"""Be a USB device below its function: descriptors, endpoint 0, bulk queues, stalled endpoints. Bytes only, no I/O."""

import errno
import struct
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulators.usbip_wire import Exported, Urb

PACKET_SIZE = 64
IN = 0x80

_DEVICE, _CONFIGURATION, _STRING = 1, 2, 3
_GET_STATUS, _CLEAR_FEATURE, _GET_DESCRIPTOR = 0x00, 0x01, 0x06
_GET_CONFIGURATION, _SET_CONFIGURATION, _SET_INTERFACE = 0x08, 0x09, 0x0B
_TO_HOST = 0x80
_ENGLISH = 0x0409
_VENDOR_SPECIFIC = 0xFF
_BULK = 2


@dataclass(frozen=True)
class Identity:
    """Say who a device is; its interface 0 has one bulk endpoint for every address in ``endpoints``."""

    vendor: int
    product: int
    strings: tuple[str, str, str]
    """Maker, product and serial number."""
    endpoints: tuple[int, ...]

    def device(self) -> bytes:
        """Write the device descriptor (USB 2.0, 9.6.1)."""
        ids = (self.vendor, self.product, 0x0100)
        return struct.pack("<BBHBBBBHHHBBBB", 18, _DEVICE, 0x0200, 0, 0, 0, PACKET_SIZE, *ids, 1, 2, 3, 1)

    def configuration(self) -> bytes:
        """Write the configuration with its one interface (9.6.3, 9.6.5, 9.6.6)."""
        interface = bytes((9, 4, 0, 0, len(self.endpoints), _VENDOR_SPECIFIC, 0, 0, 0))
        ends = b"".join(struct.pack("<BBBBHB", 7, 5, address, _BULK, PACKET_SIZE, 0) for address in self.endpoints)
        size = 9 + len(interface) + len(ends)
        return struct.pack("<BBHBBBBB", 9, _CONFIGURATION, size, 1, 1, 0, 0x80, 50) + interface + ends

    def string(self, index: int) -> bytes | None:
        """Write a string descriptor (9.6.7)."""
        if index > len(self.strings):
            return None
        text = self.strings[index - 1].encode("utf-16-le") if index else _ENGLISH.to_bytes(2, "little")
        return bytes((len(text) + 2, _STRING)) + text

    def descriptor(self, kind: int, index: int) -> bytes | None:
        """Give a descriptor, None where there is none."""
        if kind == _STRING:
            return self.string(index)
        if index:
            return None
        return {_DEVICE: self.device, _CONFIGURATION: self.configuration}.get(kind, lambda: None)()

    def exported(self, busid: str) -> Exported:
        """Tell what USB/IP tells of it."""
        return Exported(busid, 1, 2, self.device(), ((_VENDOR_SPECIFIC, 0, 0),))


@dataclass(frozen=True, slots=True)
class Done:
    """Answer one URB: a negative errno or 0, and the bytes for the host or the number of those taken."""

    number: int
    status: int
    data: bytes = b""
    taken: int = 0


class UsbDevice:
    """Answer URBs: those to endpoint 0 at once, the bulk ones with what the function says and takes.

    Packets wait until the host fetches them, and a host that fetches waits until there is a packet. Every packet
    ends a transfer, as this device never says more than it was asked for in one piece.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.stalls: dict[int, int] = {}
        """Endpoint address → how many of its next transfers stall it."""
        self._halted: set[int] = set()
        self._heard: deque[tuple[int, bytes]] = deque()
        self._said: defaultdict[int, deque[bytes]] = defaultdict(deque)
        self._waiting: defaultdict[int, deque[Urb]] = defaultdict(deque)
        self._configuration = 1

    def reset(self) -> None:
        """Forget everything under way, as without power."""
        self._said.clear()
        self._waiting.clear()
        self._heard.clear()
        self._halted.clear()

    def say(self, endpoint: int, packets: Sequence[bytes]) -> list[Done]:
        """Let the host fetch packets; give what it waits for."""
        self._said[endpoint].extend(packets)
        return list(self._fetched(endpoint))

    def unfetched(self) -> int:
        """Count the bytes that the host has not fetched."""
        return sum(len(packet) for queue in self._said.values() for packet in queue)

    def heard(self) -> Iterator[tuple[int, bytes]]:
        """Take what the host wrote to the bulk endpoints, in order."""
        while self._heard:
            yield self._heard.popleft()

    def submit(self, urb: Urb) -> list[Done]:
        """Take one URB; give those that are done by it."""
        if urb.endpoint == 0:
            return [self._control(urb)]
        endpoint = urb.endpoint | (IN if urb.is_in else 0)
        if endpoint not in self.identity.endpoints:
            return [Done(urb.number, -errno.EPIPE)]
        if self.stalls.get(endpoint):
            self.stalls[endpoint] -= 1
            self._halted.add(endpoint)
        if endpoint in self._halted:
            return [Done(urb.number, -errno.EPIPE)]
        if not urb.is_in:
            self._heard.append((endpoint, urb.data))
            return [Done(urb.number, 0, taken=len(urb.data))]
        self._waiting[endpoint].append(urb)
        return list(self._fetched(endpoint))

    def unlink(self, number: int) -> bool:
        """Give up a URB; tell whether it was still waiting."""
        for queue in self._waiting.values():
            for urb in queue:
                if urb.number == number:
                    queue.remove(urb)
                    return True
        return False

    def _fetched(self, endpoint: int) -> Iterator[Done]:
        said, waiting = self._said[endpoint], self._waiting[endpoint]
        while said and waiting:
            urb, packet = waiting.popleft(), said.popleft()
            if len(packet) > urb.size:
                yield Done(urb.number, -errno.EOVERFLOW)
            else:
                yield Done(urb.number, 0, packet)

    def _control(self, urb: Urb) -> Done:
        kind, request, value, index, length = struct.unpack("<BBHHH", urb.setup)
        if kind & _TO_HOST:
            answer = self._told(kind, request, value)
            if answer is None:
                return Done(urb.number, -errno.EPIPE)
            return Done(urb.number, 0, answer[: min(length, urb.size)])
        return Done(urb.number, 0 if self._obeyed(request, value, index) else -errno.EPIPE, taken=len(urb.data))

    def _told(self, kind: int, request: int, value: int) -> bytes | None:
        if kind == _TO_HOST and request == _GET_DESCRIPTOR:
            return self.identity.descriptor(value >> 8, value & 0xFF)
        if kind == _TO_HOST and request == _GET_CONFIGURATION:
            return bytes((self._configuration,))
        return bytes(2) if request == _GET_STATUS else None

    def _obeyed(self, request: int, value: int, index: int) -> bool:
        if request == _CLEAR_FEATURE:
            self._halted.discard(index & 0xFF)
            return True
        if request == _SET_CONFIGURATION and value <= 1:
            self._configuration = value
            return True
        return request == _SET_INTERFACE and value == 0
