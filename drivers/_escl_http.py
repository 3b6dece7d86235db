"""HTTP/1.1 to a scanner over one connection that is kept open; ``http.client`` reads the answers."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from select import POLLOUT, poll
from typing import Any

from drivers._escl_problems import device_error
from drivers._escl_stream import SLICE_S, Check, Patience, Source, Watch
from edge.errors import DeviceError, DeviceLost

CLOSED_AT_ONCE_S = 1.0
MOST_ADDRESSES = 4


@dataclass(frozen=True)
class Place:
    """Where a scanner is. ``tls``: the context of an https connection."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Request:
    """What is asked. ``harmless``: asking twice does no more than asking once.

    ``head_only``: the headers of the answer are enough, a body that does not arrive is let go.
    """

    method: str
    path: str
    body: bytes | None = None
    harmless: bool = False
    head_only: bool = False

    def written(self, host: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", "User-Agent: hall-edge", "Accept: */*"]
        if self.body is not None:
            lines += ["Content-Type: text/xml", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + (self.body or b"")


@dataclass(frozen=True, repr=False)
class Answer:
    """A whole answer: ``body`` is complete. ``took_s`` from the request to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes = field(default=b"")
    took_s: float = 0.0

    def header(self, name: str) -> str:
        return self.headers.get(name) or ""


class Http:
    """Asks a scanner. Raises ``DeviceError``: lost instead of absent once ``known`` is set."""

    def __init__(self, place: Place, clock: Callable[[], float], proved: Callable[[], None]) -> None:
        self.place = place
        self.known = False
        self.host = ""
        """The Host header."""
        self._clock, self._proved = clock, proved
        self._sock: socket.socket | None = None
        self._found: list[tuple[Any, ...]] = []
        self._keeps = True
        """Whether the scanner keeps a connection open unless it says otherwise."""
        self._answered_at = 0.0
        self.name_host(port_always=False)

    def name_host(self, *, port_always: bool, host: str | None = None) -> None:
        """Say what the Host header is: the scanner's address, or *host*."""
        usual = 443 if self.place.tls else 80
        name = host or (f"[{self.place.host}]" if ":" in self.place.host else self.place.host)
        with_port = port_always or (host is None and self.place.port != usual)
        self.host = f"{name}:{self.place.port}" if with_port else name

    def ask(self, request: Request, patience: Patience, check: Check) -> Answer:
        """Return the whole answer to *request*."""
        began = self._clock()
        try:
            answer = self._exchange_once_more(request, patience, check)
        except BaseException:
            self.close()  # whatever comes yet belongs to nothing
            raise
        if not self._keeps:
            self.close()
        self._proved()
        self._answered_at = self._clock()
        return replace(answer, took_s=self._answered_at - began)

    def _exchange_once_more(self, request: Request, patience: Patience, check: Check) -> Answer:
        reused = self._sock is not None
        try:
            return self._exchange(request, patience, check)
        except DeviceLost:
            if not (request.harmless and reused):
                raise
        self.close()
        self._keeps = False  # it closes connections without telling, perhaps while we were asking
        return self._exchange(request, patience, check)

    def close(self) -> None:
        """Let go of the connection."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _exchange(self, request: Request, patience: Patience, check: Check) -> Answer:
        watch = Watch(patience, self._clock, check)
        sock = self._fresh(patience, watch)
        try:
            sock.settimeout(patience.connect_s)
            sock.sendall(request.written(self.host))
            sock.settimeout(SLICE_S)
            response = http.client.HTTPResponse(Source(sock, watch), method=request.method)  # type: ignore[arg-type]
            response.begin()
        except TimeoutError:
            raise device_error("ESC-101") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error) from error
        with response:
            try:
                data = _body(response, patience.limit)
            except (OSError, http.client.HTTPException, ValueError, DeviceLost) as error:
                if not request.head_only:
                    raise self._broken(error) from error
                data = b""
                self.close()
        if response.will_close:
            self.close()
        return Answer(response.status, response.headers, data)

    def _fresh(self, patience: Patience, watch: Watch) -> socket.socket:
        """Return the open connection, or a new one: a scanner closes one that was idle for long."""
        if self._sock is not None:
            self._sock.settimeout(0)
            try:
                self._sock.recv(1)  # nothing is due: anything, also the end, spoils it
                self._keeps = self._keeps and self._clock() - self._answered_at > CLOSED_AT_ONCE_S
                self.close()
            except (BlockingIOError, ssl.SSLWantReadError):
                return self._sock
            except OSError:
                self.close()
        self._sock = self._connect(patience, watch)
        return self._sock

    def _connect(self, patience: Patience, watch: Watch) -> socket.socket:
        cause: OSError | None = None
        for family, kind, protocol, _, address in self._addresses()[:MOST_ADDRESSES]:
            sock = socket.socket(family, kind, protocol)
            try:
                _connect(sock, address, patience.connect_s, watch)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._shake_hands(sock, watch)
            except ssl.SSLError as error:
                sock.close()
                raise device_error("ESC-103") from error
            except OSError as error:
                sock.close()
                cause = error
            except BaseException:
                sock.close()
                raise
        raise self._unreachable() from cause

    def _addresses(self) -> list[tuple[Any, ...]]:
        """Return where the scanner's name leads, asked once: name servers take their time."""
        if not self._found:
            try:
                self._found = socket.getaddrinfo(self.place.host, self.place.port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                raise self._unreachable() from error
        return self._found

    def _shake_hands(self, sock: socket.socket, watch: Watch) -> socket.socket:
        if self.place.tls is None:
            return sock
        wrapped = self.place.tls.wrap_socket(sock, server_hostname=self.place.host, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(SLICE_S)
            while True:
                watch.tick()
                with suppress(TimeoutError):
                    wrapped.do_handshake()
                    return wrapped
        except BaseException:
            wrapped.close()
            raise

    def _unreachable(self) -> DeviceError:
        absent = device_error("ESC-102")
        return DeviceLost(absent.message, code=absent.code, action=absent.action) if self.known else absent

    def _broken(self, error: Exception) -> DeviceError:
        """Return what a failed exchange means: a cut connection, or an answer that is none."""
        cut = isinstance(error, OSError | http.client.IncompleteRead | DeviceLost)
        return device_error("ESC-107" if cut else "ESC-105" if self.known else "ESC-104")


def _connect(sock: socket.socket, address: Any, limit_s: float, watch: Watch) -> None:
    """Connect in slices; raises ``OSError``."""
    sock.setblocking(False)
    with suppress(BlockingIOError):
        sock.connect(address)
    waiting = poll()
    waiting.register(sock, POLLOUT)
    for _ in range(max(1, round(limit_s / SLICE_S))):
        watch.tick()
        if waiting.poll(1000 * SLICE_S):
            failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                raise OSError(failed, "connect")
            return
    raise OSError("no answer")


def _body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Read a body to its end; raises ``DeviceLost`` when it is cut off."""
    if (response.length or 0) > limit:
        raise device_error("ESC-106")
    data = response.read(limit + 1)
    if len(data) > limit:
        raise device_error("ESC-106")
    if response.length:
        raise device_error("ESC-107")
    if response.chunked and not response.isclosed() and response.read(1):
        raise device_error("ESC-106")
    return data
