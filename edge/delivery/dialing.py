"""Open a TCP connection by name: resolving has a time limit, and addresses of both families are tried (RFC 8305).

``getaddrinfo`` cannot be interrupted and may take half a minute where a name server does not answer. So it runs in
a thread of its own, at most one a name; whoever dials waits for a while and then goes on without it: with the
addresses it got last time, if there are any.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from itertools import zip_longest

Address = tuple[socket.AddressFamily, tuple[object, ...]]
Resolve = Callable[[str, int], Sequence[Address]]

STAGGER_S = 0.25
"""Head start of each address before the next one is tried too (RFC 8305, 5)."""
USER_TIMEOUT_MS = 10_000
"""So long may bytes stay without an answer of the other end's kernel (RFC 5482)."""
_STEP_S = 0.25


class NotResolved(OSError):
    """The name has no address, or the name server did not answer in time."""


class Cancelled(OSError):
    """Nobody wants the connection any more."""


def resolve(host: str, port: int) -> list[Address]:
    """Ask the system for the addresses of *host*; blocks, maybe for long."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


class Dialer:
    """Connects to one broker again and again. For one thread."""

    def __init__(self, host: str, port: int, ask: Resolve = resolve) -> None:
        self.host, self.port, self._ask = host, port, ask
        self._known: list[Address] = []
        self._lookup: _Lookup | None = None

    def dial(self, limit_s: float, cancelled: Callable[[], bool] = lambda: False) -> socket.socket:
        """Return a connected socket; raises ``OSError`` after at most *limit_s* for each of the two steps."""
        addresses = self._addresses(limit_s, cancelled)
        return _connect_any(addresses, time.monotonic() + limit_s, cancelled)

    def _addresses(self, limit_s: float, cancelled: Callable[[], bool]) -> list[Address]:
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(self.host)
            return list(resolve(self.host, self.port))  # an address already: asks nobody
        if self._lookup is None:
            self._lookup = _Lookup(self._ask, self.host, self.port)
        end = time.monotonic() + limit_s
        while not self._lookup.done.wait(min(_STEP_S, max(0.0, end - time.monotonic()))):
            if cancelled():
                raise Cancelled
            if time.monotonic() >= end:
                if self._known:
                    return self._known
                raise NotResolved(f"no answer for {self.host} within {limit_s:g} s")
        lookup, self._lookup = self._lookup, None
        if lookup.found:
            self._known = _interleaved(lookup.found)
        elif not self._known:
            raise NotResolved(lookup.error)
        return self._known


class _Lookup:
    """One question to the name server, in a thread that nobody has to wait for."""

    def __init__(self, ask: Resolve, host: str, port: int) -> None:
        self.done = threading.Event()
        self.found: Sequence[Address] = ()
        self.error = "it has no address"
        self._question = (ask, host, port)
        threading.Thread(target=self._run, name="resolver", daemon=True).start()

    def _run(self) -> None:
        ask, host, port = self._question
        try:
            self.found = ask(host, port)
        except (OSError, UnicodeError) as error:  # a label that IDNA does not allow is the latter
            self.error = getattr(error, "strerror", None) or "it is no valid name"
        finally:
            self.done.set()


def _interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return *addresses* with the families in turns, the system's first choice first."""
    first = addresses[0][0]
    ours = [address for address in addresses if address[0] == first]
    others = [address for address in addresses if address[0] != first]
    return [address for pair in zip_longest(ours, others) for address in pair if address is not None]


def _connect_any(addresses: Sequence[Address], end: float, cancelled: Callable[[], bool]) -> socket.socket:
    """Return the first socket that connects, of those tried one after the other and then side by side."""
    waiting, trying = list(addresses), dict[int, socket.socket]()
    why: OSError = TimeoutError("timed out")
    next_at = 0.0
    poll = select.poll()
    try:
        while waiting or trying:
            now = time.monotonic()
            if now >= end:
                raise TimeoutError("timed out")
            if cancelled():
                raise Cancelled
            if waiting and (now >= next_at or not trying):
                next_at = now + STAGGER_S
                try:
                    sock = _begin(*waiting.pop(0))
                except OSError as error:
                    why = error
                    continue
                trying[sock.fileno()] = sock
                poll.register(sock, select.POLLOUT)
            for number, _ in poll.poll(min(_STEP_S, max(0.0, min(end, next_at if waiting else end) - now)) * 1000):
                poll.unregister(number)
                sock = trying.pop(number)
                if not (error_number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                    sock.settimeout(max(0.1, end - now))
                    return sock
                sock.close()
                why, next_at = OSError(error_number, os.strerror(error_number)), 0.0
        raise why
    finally:
        for sock in trying.values():
            sock.close()


def _begin(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    """Begin to connect; raises ``OSError`` where there is no way to such an address."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        with contextlib.suppress(BlockingIOError):
            sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
