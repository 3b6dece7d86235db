"""Serve pictures as a network camera does: HTTP/1.0, ``multipart/x-mixed-replace``, one thread a viewer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

BOUNDARY = "frame"
HEAD = f"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\nConnection: close\r\n\r\n"
REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}
PATIENCE_S = 2.0
SLICES = 20


@dataclass(frozen=True)
class Part:
    """One picture to send; its bytes trickle over ``over_s`` seconds."""

    data: bytes
    over_s: float = 0.0


Next = Callable[["Viewer"], Part | None]
"""Waits for a viewer's next picture; ``None`` when there is none any more."""


class Viewer:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.seen = -1
        """Number of the last picture it was given."""
        self.gone = threading.Event()

    def cut(self) -> None:
        """End the connection under its thread."""
        self.gone.set()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class MjpegServer:
    """Listens on 127.0.0.1 between ``start`` and ``stop``."""

    def __init__(self, port: int, answer: Callable[[str], int | bytes], following: Next) -> None:
        self.port = port
        self._answer = answer
        """Returns for a path the status of a refusal, the body of a document, or 200 for the stream."""
        self._following = following
        self._listening: socket.socket | None = None
        self._viewers: dict[Viewer, threading.Thread] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen; raises ``OSError``."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, args=(self._listening,), name="mjpeg", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cut every viewer and stop listening; returns when all threads have ended. Idempotent."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        if self._thread is not None:
            self._thread.join()
        self.cut()
        for thread in self.threads():
            thread.join()

    def cut(self) -> None:
        """Cut every viewer; new ones are served."""
        with self._lock:
            viewers = list(self._viewers)
        for viewer in viewers:
            viewer.cut()

    def threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._viewers.values())

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            viewer = Viewer(connection)
            thread = threading.Thread(target=self._serve, args=(viewer,), name="mjpeg-viewer", daemon=True)
            with self._lock:
                self._viewers[viewer] = thread
            thread.start()

    def _serve(self, viewer: Viewer) -> None:
        connection = viewer.connection
        try:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(PATIENCE_S)
                answer = self._answer(_path(connection))
                connection.settimeout(None)
                if isinstance(answer, bytes):
                    head = f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
                    connection.sendall(head.encode() + answer)
                elif answer in REASONS:
                    connection.sendall(f"HTTP/1.0 {answer} {REASONS[answer]}\r\nContent-Length: 0\r\n\r\n".encode())
                else:
                    self._stream(viewer)
        finally:
            with self._lock:
                del self._viewers[viewer]

    def _stream(self, viewer: Viewer) -> None:
        viewer.connection.sendall(HEAD.encode())
        while not viewer.gone.is_set() and (part := self._following(viewer)) is not None:
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part.data)}\r\n\r\n"
            viewer.connection.sendall(head.encode())
            slices = SLICES if part.over_s else 1
            size = -(-len(part.data) // slices)
            for start in range(0, len(part.data), size):
                viewer.connection.sendall(part.data[start : start + size])
                if part.over_s and viewer.gone.wait(part.over_s / slices):
                    return
            viewer.connection.sendall(b"\r\n")


def _path(connection: socket.socket) -> str:
    """Return the path that is asked for; raises ``OSError`` where no request comes."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data or len(head) > 16_384:  # noqa: PLR2004
            raise ConnectionError("no request")
        head += data
    words = head.split(b"\r\n", 1)[0].split(b" ")
    return words[1].decode("ascii", "replace") if len(words) > 1 else "/"
