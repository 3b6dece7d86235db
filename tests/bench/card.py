"""One APDU's round trip: the driver's way to a card against bare pyscard, in turns, in one process.

Columns: (a) pyscard's ``connection.transmit``, (b) its lowest level, ``SCardTransmit``, (c) the driver. Once with the
simulated service, once with a real pcscd and its virtual reader where they are installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from drivers._card_apdu import Talk
from drivers._card_pcsc import SOCKET_VARIABLE, Service
from drivers._card_slot import Ask
from edge.links.address import Address
from edge.port import DevicePort
from simulators.vpcd import VirtualSlot
from tests.bench.failure import BenchFailure
from tests.bench.figures import Row, Target, percentile
from tests.drivers.card_rig import Simulator
from tests.drivers.real_pcscd import RealPcscd, available
from tests.support.project import ROOT

SECTION = "card"
APDU = bytes.fromhex("0084000008")
CARD = "insert cpu seed=1"
_WARM_UP = 50
_PATIENCE_S = 60.0


def rows(rounds: int, count: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield the figures of every service that there is; raises ``BenchFailure``."""
    with tempfile.TemporaryDirectory(prefix="card-") as folder, ExitStack() as stack:
        simulator = Simulator(Path(folder))
        stack.callback(simulator.close)
        simulator.do(CARD)
        say(f"card: {count} APDUs a round, simulated service")
        yield from _measured("simulated service", simulator.path, rounds, count)
    if not available():
        return
    with RealPcscd() as pcscd:
        slot = VirtualSlot(pcscd.port)
        slot.do(CARD)
        try:
            say(f"card: {count} APDUs a round, real pcscd")
            yield from _measured("pcscd, virtual reader", pcscd.socket_path, rounds, count)
        finally:
            slot.remove()


def _measured(name: str, socket_path: Path, rounds: int, count: int) -> Iterator[Row]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.card", str(rounds), str(count)],
        cwd=ROOT, env={**os.environ, SOCKET_VARIABLE: str(socket_path)},
        capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchFailure(f"the APDUs of the {name} failed: {done.stderr[-300:]}")
    found: list[dict[str, list[float]]] = json.loads(done.stdout)
    for percent, target in ((50, Target(1.5, ratio=True)), (99, None)):
        row = Row(SECTION, f"{name} p{percent}", "ms", target)
        for turn in found:
            for column, times in turn.items():
                row.add(column, percentile(times, percent))
        yield row


def _timed(work: Callable[[], object], count: int) -> list[float]:
    """Return how long each of *count* calls took, in milliseconds."""
    times = []
    for _ in range(count):
        began = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - began) / 1e6)
    return times


def main(rounds: int, count: int) -> None:
    """Measure, and print every time. A process of its own: the library learns its socket's name once."""
    scard: Any = import_module("smartcard.scard")
    readers: Any = import_module("smartcard.System").readers
    service = Service.connect()
    name = _reader_with_card(service)
    connection: Any = next(reader for reader in readers() if str(reader) == name).createConnection()
    connection.connect()
    _, context = scard.SCardEstablishContext(0)
    _, handle, protocol = scard.SCardConnect(context, name, 2, 3)
    pci = scard.SCARD_PCI_T0 if protocol == 1 else scard.SCARD_PCI_T1
    apdu = list(APDU)
    port = DevicePort("card", Address("pcsc", "", {}))

    def ours(times: int) -> list[float]:
        with service.card(name) as card:
            talk = Talk(card.transmit, t0=card.t0, check=Ask(port).check)
            return _timed(lambda: talk.ask(APDU), times)

    contenders: dict[str, Callable[[int], list[float]]] = {
        "a": lambda times: _timed(lambda: connection.transmit(apdu), times),
        "b": lambda times: _timed(lambda: scard.SCardTransmit(handle, pci, apdu), times),
        "c": ours,
    }
    for work in contenders.values():
        work(_WARM_UP)
    order = list(contenders)
    result = []
    for number in range(rounds):
        turn = order[number % 3 :] + order[: number % 3]
        result.append({column: contenders[column](count) for column in turn})
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # pyscard's own clean-up has nothing left to measure


def _reader_with_card(service: Service) -> str:
    end = time.monotonic() + _PATIENCE_S / 2
    while time.monotonic() < end:
        for reader in service.readers():
            watch = service.watch(reader.whole)
            watch.look(0.05)
            if watch.seen is not None and watch.seen.present:
                return reader.whole
    raise BenchFailure("no card in any reader")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
