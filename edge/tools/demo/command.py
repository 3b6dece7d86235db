"""The verb itself: starts the parts, plays the visits, prints what the back office sees, and the ladder at the end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
from edge.messages.language import language
from edge.subscriber import Completion, Gap, Notice, Subscriber
from edge.tools.ask import answers
from edge.tools.demo.devices import names, usable
from edge.tools.demo.parts import Parts
from edge.tools.demo.visits import SCENES
from edge.tools.lines import event_line
from edge.tools.status import show

_EVENT_S = 20.0
_READY_S = 15.0
_PULLED_S = 2.0
_REQUEST_S = 60.0
_CABLES = ("id-1", "pad-1", "gun-1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge demo``."""
    parser.add_argument("--visits", type=int, metavar="N", help="end after N visits (default: until Ctrl-C)")
    parser.add_argument("--pause", type=float, default=1.5, metavar="S", help="seconds between visits (%(default)s)")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="where scanned pages and pictures go (default: a new folder)"
    )
    parser.add_argument(
        "--pull", metavar="DEVICE", choices=_CABLES, help="pull this device's cable once, after a visit"
    )


def run(chosen: argparse.Namespace) -> int:
    """Run the demo; 0 when every visit went as it should."""
    devices, complaints = usable()
    pictures = chosen.pictures or Path(tempfile.mkdtemp(prefix="hall-edge-pictures-"))
    try:
        with tempfile.TemporaryDirectory(prefix="hall-edge-") as folder, Parts(Path(folder), devices) as parts:
            count = f"{len(devices)} simulated devices"
            _say(f"window demo/w01 with {count}; broker: {parts.broker} on 127.0.0.1:{parts.port}")
            _say(f"status page: http://127.0.0.1:{parts.page}/")
            _say(f"test it, in another terminal: hall-edge selftest --config {folder}/hall-edge.toml")
            _say("LAB MODE: personal bodies are sealed to a key made for this demo; all citizens are invented")
            _say("\n".join([f"scanned pages and pictures go to {pictures}", *complaints]))
            return asyncio.run(_Demo(parts, pictures, chosen).run())
    finally:
        if chosen.pictures is None and not any(path.is_file() for path in pictures.rglob("*")):
            shutil.rmtree(pictures)


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Demo:
    """Plays the scenes; implements ``visits.Stage``."""

    def __init__(self, parts: Parts, pictures: Path, chosen: argparse.Namespace) -> None:
        self._parts = parts
        self._pictures = pictures
        self._scenes = [scene for scene in SCENES if scene.needs <= {*names(parts.devices)}]
        self._chosen = chosen
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._stop = asyncio.Event()
        self._subscriber: Subscriber

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        lab_key = self._parts.folder / "state" / "lab-key.jwk"
        url = f"mqtt://127.0.0.1:{self._parts.port}"
        async with Subscriber(
            url, name="back-office", hall="demo", keys=[lab_key], blobs=self._pictures, on_notice=self._noticed
        ) as office:
            self._subscriber = office
            work = [
                asyncio.create_task(task)
                for task in (self._print_events(office), self._print_states(), self._visits(), self._stop.wait())
            ]
            self._listen_to_keys(loop)
            try:
                done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                if sys.stdin.isatty():
                    loop.remove_reader(sys.stdin)
        await self._farewell()
        if any(path.is_file() for path in self._pictures.iterdir()):
            _say(f"\nscanned pages and pictures are in {self._pictures}")
        for task in done:
            task.result()
        return 0

    # -- what a visit can do ------------------------------------------------------------------------

    async def act(self, line: str) -> None:
        await self._parts.do(line)

    async def event(self, *types: str) -> str:
        try:
            async with asyncio.timeout(_EVENT_S):
                while (seen := await self._events.get()) not in types:
                    pass
        except TimeoutError:
            self._parts.check()
            raise EdgeError(f"no {' or '.join(types)} within {_EVENT_S:.0f} s", code="SYS-122") from None
        return seen

    async def request(self, device: str, command: str, params: Mapping[str, Any]) -> Completion:
        return await self._subscriber.request("w01", device, command, params, timeout_s=_REQUEST_S)

    async def evaluate(self, timeout_s: int = 20) -> Awaitable[Any]:
        asked = asyncio.Event()
        params = {"timeout_s": timeout_s, "form_id": "counter", "form_version": "1"}

        async def session() -> Completion:
            try:
                return await self._subscriber.request(
                    "w01", "pad-1", "evaluate", params, timeout_s=timeout_s + 10, on_progress=lambda _step: asked.set()
                )
            finally:
                asked.set()

        running = asyncio.create_task(session())
        await asked.wait()
        return running

    async def cancel(self, device: str) -> None:
        await self._subscriber.request("w01", device, "cancel")

    # -- tasks --------------------------------------------------------------------------------------

    async def _visits(self) -> None:
        await self._all_ready()
        _say("press u and Enter to pull a cable, q and Enter or Ctrl-C to end\n" if sys.stdin.isatty() else "")
        numbers = range(self._chosen.visits) if self._chosen.visits is not None else itertools.count()
        for number in numbers:
            scene = self._scenes[number % len(self._scenes)]
            _say(f"visit {number + 1}: {scene.title}")
            await scene.play(self, number + 1)
            if number == 0 and self._chosen.pull:
                await self._pull(self._chosen.pull)
            await asyncio.sleep(self._chosen.pause)

    async def _all_ready(self) -> None:
        """Wait until every device works: the first citizen comes when the window is open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_S):
                window = await self._subscriber.windows.known("demo/w01")
                for _ in range(int(_READY_S / 0.05)):
                    if all(window.usable(device) for device in names(self._parts.devices)):
                        return
                    await asyncio.sleep(0.05)
        self._parts.check()
        raise EdgeError("the devices did not become ready", code="SYS-123", action="see hall-edge status")

    async def _print_events(self, office: Subscriber) -> None:
        async for event in office:
            _say(f"  {event_line(event, show_personal=True)}")
            self._events.put_nowait(f"{event.kind}.{event.type}")

    async def _print_states(self) -> None:
        """Print each change of a device's state, as ``hall-edge watch`` hears of it."""
        reader, writer = await asyncio.open_unix_connection(self._parts.folder / "run" / "control.sock")
        try:
            writer.write(b'{"verb": "watch"}\n')
            known: dict[str, str] = {}
            while line := await reader.readline():
                for name, device in json.loads(line)["devices"].items():
                    state = "ready" if device["state"] == "busy" else device["state"]
                    if state not in ("starting", known.get(name, "ready")):
                        reason = f" — {device['reason']}" if device.get("reason") else ""
                        _say(f"  {name} is {state}{reason}")
                    known[name] = known.get(name, "ready") if state == "starting" else state
        finally:
            writer.close()

    async def _pull(self, device: str) -> None:
        _say(f"  (pulling the cable of {device})")
        await self.act(f"{device} unplug")
        await asyncio.sleep(_PULLED_S)
        _say(f"  (plugging {device} in again)")
        await self.act(f"{device} plug")
        await self._all_ready()

    def _listen_to_keys(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take ``u`` and ``q`` from the keyboard, when there is one."""
        cables = itertools.cycle(_CABLES)
        pulls: set[asyncio.Task[None]] = set()

        def typed() -> None:
            line = sys.stdin.readline()
            if line.strip() == "u":
                task = asyncio.create_task(self._pull(next(cables)))
                pulls.add(task)
                task.add_done_callback(pulls.discard)
            elif line.strip() == "q" or not line:
                self._stop.set()

        if sys.stdin.isatty():
            loop.add_reader(sys.stdin, typed)

    def _noticed(self, notice: Notice) -> None:
        if isinstance(notice, Gap):
            _say(f"  gap: {notice}")

    async def _farewell(self) -> None:
        """Print the delivery ladder once more, when the last acknowledgement is in."""
        now: dict[str, Any] = {}
        for _ in range(20):
            now = await asyncio.to_thread(lambda: next(answers(str(self._parts.folder / "run"), "status")))
            ladder = now["health"]["ladder"]
            if ladder["confirmed"] == ladder["accepted"]:
                break
            await asyncio.sleep(0.1)
        _say()
        show(now, sys.stdout, language(), as_json=False)
