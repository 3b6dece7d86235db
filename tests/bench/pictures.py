"""``python -m tests.bench.pictures``: pages a minute from a driver to a whole file, and what that does to an event.

A daemon, a broker and a back office in processes of their own; ``--pages`` pages of ``--kilobytes`` each, sealed,
while a gun scans ten codes a second. A code's time runs from the driver's report to its arrival at a client of the
broker.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.subscriber import Subscriber
from simulators.words import ScenarioError
from tests.support import picture_driver
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import BASE, HALL, WindowUnderTest

NAME = "case-system"
QUIET_S = 10.0
RATE = 10


class Codes:
    """Hears the gun's codes and nothing else: milliseconds from the driver's report to here."""

    def __init__(self, port: int) -> None:
        self.took_ms: list[float] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{BASE}/event/code-scanner/+/scanned", qos=1)
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _heard(self, _client: Any, _data: Any, message: Any) -> None:
        now = time.monotonic_ns()
        event = msgspec.json.decode(message.payload)
        self.took_ms.append((now - int(event["mono"])) / 1e6)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def quantiles(took_ms: list[float]) -> str:
    if len(took_ms) < 2:
        return "too few"
    cuts = statistics.quantiles(took_ms, n=100)
    return f"{len(took_ms)} events, p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, most {max(took_ms):.1f} ms"


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def office(url: str, folder: Path, pages: int) -> None:
    """The back office: takes the pages, says when the first began and the last was whole."""
    async with Subscriber(url, name=NAME, hall=HALL, keys=[folder / "key.jwk"], blobs=folder / "blobs") as own:
        await own.ready()
        print("ready", flush=True)  # noqa: T201  # read by the other process
        await asyncio.to_thread(sys.stdin.readline)
        asking = asyncio.create_task(own.request("w01", "scan-1", "scan", {"max_pages": pages}, timeout_s=600))
        got = 0
        async for event in own:
            if event.type == "page":
                assert event.blob is not None, event.blob_gone
                got += 1
            own.done()
            if got == pages:
                print("done", time.monotonic(), flush=True)  # noqa: T201
                await asking
                await asyncio.sleep(2)
                return


class Sampler:
    """The largest resident size of processes, looked at ten times a second."""

    def __init__(self, **pids: int) -> None:
        self.first = {name: resident_mib(pid) for name, pid in pids.items()}
        self.most = dict(self.first)
        self._pids, self._end = pids, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._end.wait(0.1):
            for name, pid in self._pids.items():
                with suppress(OSError, IndexError):
                    self.most[name] = max(self.most[name], resident_mib(pid))

    def close(self) -> None:
        self._end.set()
        self._thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--kilobytes", type=int, default=800)
    parser.add_argument("--pace", type=float, default=0.0, help="pages a second; 0: as fast as they are taken")
    parser.add_argument("--office", nargs=2, metavar=("URL", "DIR"))
    chosen = parser.parse_args()
    if chosen.office:
        asyncio.run(office(chosen.office[0], Path(chosen.office[1]), chosen.pages))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), chosen.pages, chosen.kilobytes * 1000, chosen.pace)


def measure(folder: Path, pages: int, size: int, pace: float) -> None:
    for name in ("broker", "window", "office"):
        (folder / name).mkdir()
    os.environ["PYTHONPATH"] = os.pathsep.join([picture_driver.install(folder), str(Path.cwd())])
    with Broker(folder / "broker", extra=["log_type error"]) as broker:
        window = WindowUnderTest(folder / "window", broker)
        window.allow_drivers = f'["{picture_driver.PACKAGE}"]'
        window.extra = f'[[subscriber]]\nname = "{NAME}"\n'
        settings = f'size = {size}\ncontent = "personal"\npace = {pace}'
        window.foreign("scan-1", picture_driver.DRIVER, "serial:///dev/null", settings)
        window.device("gun-1", "code_serial", 'content = "public"')
        window.tap.close()
        window.start()
        try:
            loaded(window, folder / "office", pages)
        finally:
            window.stop()
            window.bench.close()


def loaded(window: WindowUnderTest, folder: Path, pages: int) -> None:
    assert window.process is not None
    (folder / "key.jwk").write_bytes((window.folder / "state" / "lab-key.jwk").read_bytes())
    command = [sys.executable, "-m", "tests.bench.pictures", "--pages", str(pages), "--office", window.url, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as back:
        assert back.stdin is not None
        assert back.stdout is not None
        assert back.stdout.readline() == "ready\n"
        codes = Codes(window.broker.port)
        gun = threading.Thread(target=flood, args=(window,))
        gun.start()
        wait_until(lambda: len(codes.took_ms) >= QUIET_S * RATE, 30)
        quiet, codes.took_ms = codes.took_ms, []
        sampler = Sampler(daemon=window.process.pid, office=back.pid)
        began = time.monotonic()
        back.stdin.write("go\n")
        back.stdin.flush()
        took_s = float(back.stdout.readline().split()[1]) - began
        busy = codes.took_ms[:]
        sampler.close()
        window.bench.do("gun-1 unplug")
        gun.join()
        codes.close()
    say = sys.stdout.write
    say(f"{pages} pages in {took_s:.1f} s: {pages / took_s * 60:.0f} pages a minute\n")
    say(f"without pages: {quantiles(quiet)}\nwith pages:    {quantiles(busy)}\n")
    for name, most in sampler.most.items():
        say(f"{name}: {sampler.first[name]:.0f} MiB before, {most:.0f} MiB at most\n")


def flood(window: WindowUnderTest) -> None:
    with suppress(ScenarioError):  # unplugged: it is over
        window.bench.do(f"gun-1 flood 1000000 rate={RATE}", limit_s=None)


if __name__ == "__main__":
    main()
