"""Put simulated cards into a real pcscd, through the virtual reader of vsmartcard (vpcd): one card a slot.

The reader listens on a TCP port, and the card is the client: messages are a length of two bytes, big-endian, and
either one byte (0 power off, 1 power on, 2 reset, 4 tell the ATR) or an APDU. A card that is gone has hung up.

    python -m simulators.vpcd [--port 35963]        then lines like ``insert social-security seed=7`` and ``remove``
"""

import argparse
import shlex
import socket
import struct
import sys
import threading
from contextlib import suppress

from simulators.cards import CARD_HELP, Card, make_card
from simulators.words import ScenarioError, Words

PORT = 35963
_LENGTH = struct.Struct(">H")
_OFF, _ON, _RESET, _ATR = 0, 1, 2, 4
_BROKEN_ATR = b"\x3b"
"""What a mute card says: vpcd takes one that says nothing for one that is not there."""


class VirtualCard:
    """One card in one slot of a virtual reader; ``tear_at``: hang up when so many bytes of APDUs have passed."""

    def __init__(self, port: int, card: Card, tear_at: int | None = None) -> None:
        self.card = card
        self.passed = 0
        self._tear_at = tear_at
        self._stop = threading.Event()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5.0)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._run, name="vpcd", daemon=True)
        self._thread.start()

    def remove(self) -> None:
        """Take the card out."""
        self._stop.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _run(self) -> None:
        with self._socket, suppress(OSError, EOFError):
            while True:
                self._serve_one()

    def _serve_one(self) -> None:
        message = self._read(_LENGTH.unpack(self._read(_LENGTH.size))[0])
        if len(message) > 1:
            self._carry(message)
        elif message[0] == _ATR:
            self._say(self.card.atr or _BROKEN_ATR)
        elif message[0] in (_OFF, _ON, _RESET):
            self.card.power_on()

    def _carry(self, apdu: bytes) -> None:
        self._pass(len(apdu))
        answer = self.card.transmit(apdu)
        if self.card.delay_s:
            self._stop.wait(self.card.delay_s)
        self._pass(len(answer))
        self._say(answer)

    def _pass(self, count: int) -> None:
        if self._tear_at is not None and self.passed + count > self._tear_at:
            raise EOFError
        self.passed += count

    def _say(self, data: bytes) -> None:
        self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            # vpcd sends length and data apart: without this the second waits for the first one's delayed receipt
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class VirtualSlot:
    """One slot of the virtual reader, and whatever card is in it."""

    def __init__(self, port: int = PORT) -> None:
        self._port = port
        self._inside: VirtualCard | None = None

    def do(self, line: str, seed: int = 0) -> None:
        """Do what a line says: ``insert CARD … [tear=K]`` or ``remove``."""
        action, *rest = shlex.split(line) or [""]
        if action == "remove":
            self.remove()
        elif action == "insert":
            words = Words(rest)
            kind = words.required("CARD")
            tear_at = words.number("tear", 0, 0, 10**6) if words.given("tear") else None
            card = make_card(kind, words, seed)
            self.remove()
            self._inside = VirtualCard(self._port, card, tear_at)
        else:
            raise ScenarioError(f"a virtual card can be inserted and removed, not {action!r}")

    def remove(self) -> None:
        """Take the card out, if there is one."""
        inside, self._inside = self._inside, None
        if inside is not None:
            inside.remove()

    @property
    def card(self) -> Card | None:
        """Give the card that is in."""
        return self._inside.card if self._inside else None


def main() -> int:
    """Obey the lines of standard input."""
    parser = argparse.ArgumentParser(prog="python -m simulators.vpcd", description=f"{__doc__}\n{CARD_HELP}")
    parser.add_argument("--port", type=int, default=PORT, help="the slot's port; default: %(default)s")
    slot = VirtualSlot(parser.parse_args().port)
    for number, line in enumerate(sys.stdin):
        try:
            if line.strip():
                slot.do(line, number)
                sys.stdout.write(f"{line.split()[0]}\n")
        except (ScenarioError, OSError) as error:
            sys.stderr.write(f"{error}\n")
        sys.stdout.flush()
    slot.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
