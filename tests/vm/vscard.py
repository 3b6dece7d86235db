"""A card for QEMU's USB smart-card reader: libcacard's VSCARD messages, answered by a simulated card.

A message is three big-endian words (type, reader, length) and its data. The reader speaks T=0 only.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from simulators.cards import Card

_HEAD = struct.Struct(">III")
_INIT, _READER_ADD, _ATR, _CARD_REMOVE, _APDU, _FLUSH, _FLUSH_DONE = 1, 3, 5, 6, 7, 8, 9
_NO_READER = 0xFFFFFFFF
_VERSION = struct.pack(">II", 2, 0)


class CardSlot:
    """What stands at the other end of ``ccid-card-passthru``, whose socket is at *path*; a context manager."""

    def __init__(self, path: Path) -> None:
        self._card: Card | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._thread = threading.Thread(target=self._run, name="vscard", daemon=True)

    def __enter__(self) -> Self:
        self._say(_INIT, b"VSCD" + _VERSION + bytes(4), _NO_READER)
        self._say(_READER_ADD, b"simulated\0", _NO_READER)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def insert(self, card: Card) -> None:
        """Put a card in."""
        card.power_on()
        self._card = card
        self._say(_ATR, card.atr)

    def remove(self) -> None:
        """Take the card out."""
        self._card = None
        self._say(_CARD_REMOVE)

    def _say(self, kind: int, data: bytes = b"", reader: int = 0) -> None:
        self._socket.sendall(_HEAD.pack(kind, reader, len(data)) + data)

    def _run(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                kind, reader, size = _HEAD.unpack(self._read(_HEAD.size))
                data = self._read(size)
                if kind == _APDU and self._card is not None:
                    self._say(_APDU, self._card.transmit(data), reader)
                elif kind == _FLUSH:
                    self._say(_FLUSH_DONE)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data
