"""Serve an eSCL scanner over HTTP/1.1: one thread a connection, kept open; everything is cut at once when unplugged."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from simulators.escl_device import EsclDevice
from simulators.escl_state import Reply

HOST = "127.0.0.1"
CHUNK = 65536
LONGEST_REQUEST = 1 << 20
_NO_LINGER = struct.pack("ii", 1, 0)


class EsclServer:
    """Listens at one port for as long as it is plugged in."""

    def __init__(
        self, device: EsclDevice, port: int, *, certificate: Path | None = None, chunked: bool = False
    ) -> None:
        self.device = device
        self.chunked = chunked
        self.thawed = threading.Event()
        """Cleared while the scanner is frozen: it takes connections and requests and says nothing."""
        self.thawed.set()
        self.requests: list[str] = []
        """What was asked and answered: ``POST /eSCL/ScanJobs 201``."""
        self.keep = True
        """Whether connections stay open behind an answer."""
        self.count: Callable[[str], None] = lambda _: None
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._listening: socket.socket | None = None
        self._off = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        with socket.create_server((HOST, port)) as probe:
            self.port: int = probe.getsockname()[1]
        device.base = f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"
        device.sleep = self._sleep

    def start(self) -> None:
        """Listen. Raises OSError."""
        if self._listening is not None:
            return
        self._listening = socket.create_server((HOST, self.port), backlog=16)
        self._off = threading.Event()
        self._spawn(self._accept, self._listening, self._off)

    def stop(self) -> None:
        """Cut every connection and end every thread."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        self._off.set()
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        listening.close()

    def _sleep(self, wait_s: float) -> None:
        self._off.wait(wait_s)

    def frozen(self) -> bool:
        """Wait while the scanner is frozen; returns whether it was unplugged meanwhile."""
        if not self.thawed.is_set():
            self.count("held")
        while not self.thawed.wait(0.02):
            if self._off.is_set():
                return True
        return self._off.is_set()

    def _spawn(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="escl", daemon=True)
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _accept(self, listening: socket.socket, off: threading.Event) -> None:
        while not off.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            if off.is_set():  # stop() may have looked just before
                self._forget(connection)
                return
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                _Handler(connection, self)
                return
            with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                with self._lock:
                    self._connections.discard(connection)
                    self._connections.add(wrapped)
                connection = wrapped
                _Handler(connection, self)
        except (OSError, ValueError):  # the client has gone, or speaks something else
            return
        finally:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)
        connection.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Reads requests of one connection and writes the device's replies."""

    protocol_version = "HTTP/1.1"
    server_version = "hall-edge-sim/1"
    wbufsize = -1

    def __init__(self, connection: socket.socket, escl: EsclServer) -> None:
        self._escl = escl
        super().__init__(connection, (HOST, 0), None)  # type: ignore[arg-type]  # it only keeps its server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep quiet: ``requests`` tells all."""

    def _answer(self) -> None:
        body = self._body()
        self._escl.count("requests")
        if self._escl.frozen():
            self.close_connection = True
            return
        reply = self._reply(body)
        self._escl.requests.append(f"{self.command} {self.path} {reply.code}")
        self._send(reply)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline(CHUNK), 16):
                parts.append(self.rfile.read(min(size, LONGEST_REQUEST)))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(min(int(self.headers.get("Content-Length", "0")), LONGEST_REQUEST))

    def _reply(self, body: bytes) -> Reply:
        device, host = self._escl.device, self.headers.get("Host", "")
        if device.manners.port_in_host and ":" not in host:
            return Reply(400)
        root, _, rest = self.path.partition("?")[0].strip("/").partition("/")
        if root != device.root:
            return Reply(404)
        return self._route(rest.split("/"), host.partition(":")[0] if device.manners.host else host, body)

    def _route(self, path: list[str], host: str, body: bytes) -> Reply:
        device, reply = self._escl.device, Reply(404)
        match self.command, path:
            case "GET", ["ScannerCapabilities"]:
                reply = device.capabilities()
            case "GET", ["ScannerStatus"]:
                reply = device.status()
            case "POST", ["ScanJobs"]:
                reply = device.create(body, host)
            case "GET", ["ScanJobs", job, "NextDocument"]:
                reply = device.next_document(job)
            case "GET", ["ScanJobs", job, "ScanImageInfo"]:
                reply = device.image_info(job)
            case "DELETE", ["ScanJobs", job]:
                reply = device.delete(job)
        return reply

    def _send(self, reply: Reply) -> None:
        chunked = self._escl.chunked and bool(reply.body)
        self.send_response(reply.code)
        if reply.body:
            self.send_header("Content-Type", reply.media_type)
        if reply.location is not None:
            self.send_header("Location", reply.location)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(reply.body) or 10 * (reply.cut is not None)))
        if not self._escl.keep:
            self.send_header("Connection", "close")
        self.end_headers()
        if reply.cut is not None:
            self._cut(reply.body[: reply.cut])
        elif chunked:
            for at in range(0, len(reply.body), CHUNK):
                part = reply.body[at : at + CHUNK]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(reply.body)
        self.wfile.flush()

    def _cut(self, part: bytes) -> None:
        """Send only *part*, then reset the connection when the client has had the time to read it."""
        self.wfile.write(part)
        self.wfile.flush()
        self.close_connection = True
        if not part:
            return  # an orderly end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
