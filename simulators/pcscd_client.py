"""Serve one client of the fake pcscd: requests in, answers out, in a thread of its own."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from simulators import pcscd_wire as wire
from simulators.pcscd_readers import Readers
from simulators.pcscd_wire import Command, Result

NOTICED_LATE_S = 0.03
"""A torn card whose command fails is noticed so much later by readers that ask for it."""


class Guests:
    """Hold what all clients share. ``lock`` guards it, and everything in ``readers``."""

    def __init__(self, readers: Readers) -> None:
        self.readers = readers
        self.lock = threading.Condition(threading.RLock())
        self.frozen = False
        self.closed = False
        self.waiting: set[Client] = set()
        self.clients: dict[int, Client] = {}
        """By their contexts, for those who cancel."""

    def pause(self, wait_s: float) -> None:
        """Let time pass, the lock given back, until the service ends. Call it with the lock held."""
        self.lock.wait_for(lambda: self.closed, wait_s)

    def tell_all(self) -> None:
        """Tell every client that waits that something has changed. Call it with the lock held."""
        for client in tuple(self.waiting):
            client.push(Result.OK)
        self.lock.notify_all()


class Client:
    """One connection."""

    def __init__(self, connection: socket.socket, guests: Guests) -> None:
        self.connection = connection
        self._guests = guests
        self._readers = guests.readers
        self._minor = min(wire.MINORS)
        self._context = 0
        self._unread = b""
        self._handles: list[int] = []
        self._answers: dict[int, Callable[[bytes], bytes]] = {
            Command.VERSION: self._version,
            Command.ESTABLISH: self._establish,
            Command.RELEASE: self._release,
            Command.CONNECT: self._connect,
            Command.RECONNECT: self._reconnect,
            Command.DISCONNECT: self._disconnect,
            Command.BEGIN: self._begin,
            Command.END: self._end,
            Command.TRANSMIT: self._transmit,
            Command.CONTROL: self._control,
            Command.STATUS: self._status,
            Command.CANCEL: self._cancel,
            Command.GET_ATTRIBUTE: self._attribute,
            Command.SET_ATTRIBUTE: self._no_attribute,
            Command.READERS: lambda _: self._readers.packed(wire.SLOTS),
            Command.WAIT: self._wait,
            Command.STOP_WAITING: self._stop_waiting,
            Command.EVENTS: lambda _: wire.PAIR.pack(self._readers.plugs, Result.OK),
            Command.READERS_SIZE: lambda _: self._places().to_bytes(4, "little"),
            Command.READERS_ARRAY: lambda _: self._readers.packed(self._places()),
        }

    def run(self) -> None:
        """Answer until the client or the service goes."""
        with self.connection:
            with suppress(OSError, EOFError):
                while True:
                    self._serve_one()
            with self._guests.lock:
                self._forget()

    def push(self, result: Result) -> None:
        """End this client's wait."""
        self._guests.waiting.discard(self)
        with suppress(OSError):
            self.connection.sendall(wire.PUSHED.pack(0, result))

    def cut(self) -> None:
        """Break the connection."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _serve_one(self) -> None:
        size, command = wire.HEAD.unpack(self._read(wire.HEAD.size))
        answer = self._answers.get(command)
        if answer is None or size > wire.LONGEST:
            raise EOFError
        body = self._read(size)
        if command == Command.TRANSMIT:
            body += self._read(wire.TRANSMIT.unpack(body)[3])
        elif command == Command.CONTROL:
            body += self._read(wire.CONTROL.unpack(body)[2])
        with self._guests.lock:
            self._guests.lock.wait_for(lambda: not self._guests.frozen or self._guests.closed)
            reply = answer(body)
            if reply:
                self.connection.sendall(reply)
            self._readers.counters["requests"] += 1
            if command == Command.TRANSMIT:
                self._notice(wire.TRANSMIT.unpack_from(body)[0])

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size:
            part = self.connection.recv(wire.LONGEST)
            if not part:
                raise EOFError
            self._unread += part
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def _places(self) -> int:
        return max(wire.SLOTS, len(self._readers.seats))

    def _forget(self) -> None:
        """Let go of all that the client held, as pcscd does."""
        self._guests.waiting.discard(self)
        self._guests.clients.pop(self._context, None)
        for number in self._handles:
            self._readers.disconnect(number, wire.LEAVE)
        self._guests.lock.notify_all()

    def _notice(self, number: int) -> None:
        """Notice a card that was torn out while its command failed, a little later."""
        handle = self._readers.handles.get(number)
        if handle is not None and handle.reader.card is not None and (handle.reader.tear_left or 0) < 0:
            self._guests.pause(NOTICED_LATE_S)
            handle.reader.remove()
        if handle is not None and handle.age != handle.reader.age:
            self._guests.tell_all()

    # --- requests

    def _version(self, body: bytes) -> bytes:
        major, minor, _ = wire.VERSION.unpack(body)
        if major == wire.MAJOR and minor in wire.MINORS:
            self._minor = minor
            return wire.VERSION.pack(major, minor, Result.OK)
        return wire.VERSION.pack(wire.MAJOR, max(wire.MINORS), Result.SERVICE_STOPPED)

    def _establish(self, body: bytes) -> bytes:
        self._context = self._readers.new_number()
        self._guests.clients[self._context] = self
        return wire.ESTABLISH.pack(wire.ESTABLISH.unpack(body)[0], self._context, Result.OK)

    def _release(self, body: bytes) -> bytes:
        context, _ = wire.PAIR.unpack(body)
        self._guests.clients.pop(context, None)
        return wire.PAIR.pack(context, Result.OK)

    def _connect(self, body: bytes) -> bytes:
        context, raw, share, protocols, _, _, _ = wire.CONNECT.unpack(body)
        name = raw.split(b"\0")[0].decode(errors="replace")
        reader = self._readers.find(name)
        if reader is not None:  # a transaction of somebody else is waited for, for ever if need be
            self._guests.lock.wait_for(lambda: reader.locked_by is None or self._guests.closed)
        number, protocol, result = self._readers.connect(name, share, protocols)
        if result == Result.OK:
            self._handles.append(number)
        return wire.CONNECT.pack(context, raw, share, protocols, number, protocol, result)

    def _reconnect(self, body: bytes) -> bytes:
        number, share, protocols, initialisation, _, _ = wire.RECONNECT.unpack(body)
        protocol, result = self._readers.reconnect(number, protocols, initialisation)
        return wire.RECONNECT.pack(number, share, protocols, initialisation, protocol, result)

    def _disconnect(self, body: bytes) -> bytes:
        number, disposition, _ = wire.DISPOSED.unpack(body)
        result = self._readers.disconnect(number, disposition)
        self._guests.lock.notify_all()
        return wire.DISPOSED.pack(number, disposition, result)

    def _begin(self, body: bytes) -> bytes:
        number, _ = wire.HANDLE.unpack(body)
        return wire.HANDLE.pack(number, self._readers.begin(number))

    def _end(self, body: bytes) -> bytes:
        number, disposition, _ = wire.DISPOSED.unpack(body)
        result = self._readers.end(number)
        self._guests.lock.notify_all()
        return wire.DISPOSED.pack(number, disposition, result)

    def _transmit(self, body: bytes) -> bytes:
        number, protocol, size, length, _, received, room, _ = wire.TRANSMIT.unpack_from(body)
        answer, result = self._readers.transmit(number, body[wire.TRANSMIT.size :], self._guests.pause)
        if result == Result.OK and len(answer) > room:
            answer, result = b"", Result.INSUFFICIENT_BUFFER
        head = wire.TRANSMIT.pack(number, protocol, size, length, protocol, received, len(answer), result)
        return head + answer

    def _control(self, body: bytes) -> bytes:
        """Answer that this reader has no features: no keypad for a PIN either."""
        number, code, length, room, _, _ = wire.CONTROL.unpack_from(body)
        result = self._readers.look(number)[1]
        if result == Result.OK and code != wire.FEATURE_REQUEST:
            result = Result.UNSUPPORTED
        return wire.CONTROL.pack(number, code, length, room, 0, result)

    def _status(self, body: bytes) -> bytes:
        number, _ = wire.HANDLE.unpack(body)
        return wire.HANDLE.pack(number, self._readers.look(number)[1])

    def _attribute(self, body: bytes) -> bytes:
        number, attribute, _, _, _ = wire.ATTRIBUTE.unpack(body)
        handle, result = self._readers.look(number)
        value = b""
        if handle is not None:
            known = {wire.NAME_ATTRIBUTE: handle.reader.name.encode() + b"\0", wire.VENDOR_ATTRIBUTE: b"hall-edge\0"}
            if handle.reader.card is not None:
                known[wire.ATR_ATTRIBUTE] = handle.reader.card.atr
            value = known.get(attribute, b"")
            result = Result.OK if attribute in known else Result.UNSUPPORTED
        return wire.ATTRIBUTE.pack(number, attribute, value, len(value), result)

    def _no_attribute(self, body: bytes) -> bytes:
        number, attribute, value, length, _ = wire.ATTRIBUTE.unpack(body)
        return wire.ATTRIBUTE.pack(number, attribute, value, length, Result.UNSUPPORTED)

    def _wait(self, _: bytes) -> bytes:
        """Register for the next change; older clients get the states at once."""
        self._guests.waiting.add(self)
        return b"" if self._minor >= max(wire.MINORS) else self._readers.packed(wire.SLOTS)

    def _stop_waiting(self, _: bytes) -> bytes:
        """Answer only who still waits: the push has come otherwise."""
        if self in self._guests.waiting:
            self.push(Result.OK)
        return b""

    def _cancel(self, body: bytes) -> bytes:
        context, _ = wire.PAIR.unpack(body)
        client = self._guests.clients.get(context)
        if client is None or client not in self._guests.waiting:
            return wire.PAIR.pack(context, Result.INVALID_HANDLE)
        client.push(Result.CANCELLED)
        return wire.PAIR.pack(context, Result.OK)
