"""The two programs that hall-edge is compared with: what one writes in an afternoon, and writes well.

A scan gun by pyserial, a broker by paho-mqtt, QoS 1, TCP_NODELAY, one CloudEvent of the size of ours a code. With
``--store`` each event is committed to SQLite (WAL, ``synchronous=FULL``) before it is published. Left out, always in
their favour: rows are never deleted, PUBACKs are not looked at, nothing is sent again after a restart, payloads are
not checked, the port is not opened again, no state is published.
"""

from __future__ import annotations

import argparse
import json
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import serial
from paho.mqtt.enums import CallbackAPIVersion

IN_FLIGHT = 200  # as hall-edge's window


class Scanner:
    """Builds the event of each code."""

    def __init__(self, window: str) -> None:
        self._window = window
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        self._epoch = int(time.time()) - 1_577_836_800
        self._seq = 0

    def event(self, code: bytes) -> tuple[int, str]:
        """Return the number of the event of *code*, and its JSON."""
        self._seq += 1
        body: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": f"urn:hall:bench:{self._window}:gun-1",
            "type": "hall.code-scanner.scanned.v1",
            "time": datetime.now(UTC).isoformat(),
            "dataschema": "urn:hall-edge:v1:code-scanner.scanned",
            "datacontenttype": "application/json",
            "epoch": self._epoch,
            "seq": str(self._seq),
            "boot": self._boot,
            "mono": str(time.monotonic_ns()),
            "clock": "synced",
            "mode": "simulated",
            "class": 1,
            "lab": True,
            "data": {"content": "public", "length_bytes": len(code), "text": code.decode()},
        }
        return self._seq, json.dumps(body, separators=(",", ":"))


def codes(port: serial.Serial) -> Iterator[bytes]:
    """Yield the codes that arrive, for ever."""
    rest = b""
    while True:
        *complete, rest = (rest + port.read(port.in_waiting or 1)).split(b"\r")
        yield from complete


def connect(port: int, window: str) -> paho.Client:
    """Return a client whose network thread runs."""
    client = paho.Client(CallbackAPIVersion.VERSION2, f"baseline-{window}", protocol=paho.MQTTv5)
    client.max_inflight_messages_set(IN_FLIGHT)

    def no_delay(_client: paho.Client, _userdata: object, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    client.on_socket_open = no_delay
    client.connect("127.0.0.1", port, keepalive=5)
    client.loop_start()
    return client


def open_store(path: Path) -> sqlite3.Connection:
    """Return a store that keeps an event over a power cut."""
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = FULL")
    store.execute("CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    store.execute("DELETE FROM event")
    return store


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serial", required=True)
    parser.add_argument("--broker", type=int, required=True)
    parser.add_argument("--window", required=True)
    parser.add_argument("--store", type=Path)
    chosen = parser.parse_args()
    store = open_store(chosen.store) if chosen.store else None
    client = connect(chosen.broker, chosen.window)
    topic = f"hall/v1/bench/{chosen.window}/event/code-scanner/gun-1/scanned"
    scanner = Scanner(chosen.window)
    with serial.Serial(chosen.serial, exclusive=True) as port:
        for code in codes(port):
            seq, body = scanner.event(code)
            if store is not None:
                store.execute("INSERT INTO event VALUES (?, ?)", (seq, body))
            client.publish(topic, body, qos=1)


if __name__ == "__main__":
    main()
