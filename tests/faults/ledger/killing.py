"""A fork server whose children are the daemon without devices: they accept events until they are killed.

``python -m tests.faults.ledger.killing CONFIG KILLS SEED RATE PAUSE``: kills so many children at any moment of their
life, then works itself until it is killed. What was accepted is printed at once, as JSON lines
``{"what": "accepted", "events": [[seq, id] …]}``; ``{"what": "killed", "kills": …}`` says that the killing is over.
Then it accepts RATE events a second until it hears a line, and only sends what it has. A line with a number makes it
accept so many at once. PAUSE, unless it is 0, takes the place of the longest pause between connections, in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import importlib
import json
import logging
import random
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.app import Daemon
from edge.config import load
from edge.delivery import connection
from edge.envelope import Draft
from edge.events import Payload, Rated, Read, Scanned
from edge.notify import Notifier
from edge.sealing.jwe import JweSealer, read_key
from edge.store.retention import Kept
from tests.core.samples import PERSON, SESSION
from tests.faults.disk.forks import Fork, Pipe

if TYPE_CHECKING:
    from edge.config import Config

MOST_MARKS, LONGEST_MORE_S = 8, 0.04
"""A child lives until it has promised so much, and a little longer; one in four is killed while it starts."""
GROUP = 50
PR_SET_PDEATHSIG = 1
KILLED = -signal.SIGKILL


class Core(Daemon):
    """The daemon as it is, with an event source in place of devices, and a sealer although no device needs one."""

    def __init__(self, config: Config, pipe: Pipe, feed: Callable[[Core, Pipe], None]) -> None:
        super().__init__(config, lambda: config, Notifier({}))
        self._pipe, self._feed = pipe, feed

    async def _build(self) -> bool:
        built = await super()._build()
        keys = [read_key(Path(subscriber.key)) for subscriber in self._config.subscribers if subscriber.key]
        self._renderer.renew(JweSealer(keys), Kept.of(self._config.retention))
        threading.Thread(target=self._feed, args=(self, self._pipe), daemon=True).start()
        return built

    @property
    def head(self) -> int:
        return self._outbox.head

    def accept(self, *events: Payload) -> None:
        """Accept *events* as a device's; say so once they are durable."""
        drafts = [Draft("pad-1", event, "simulated") for event in events]
        rows = self._outbox.commit(drafts)
        self._pipe.mark("accepted", events=[[row.seq, row.id] for row in rows])

    def accept_many(self, count: int, rng: random.Random) -> None:
        """Accept *count* events, and say when the broker has taken them."""
        for _ in range(0, count, GROUP):
            self.accept(*(event(rng) for _ in range(GROUP)))
        rest = threading.Event()
        while self._publisher.brokered < self.head:
            rest.wait(0.02)
        self._pipe.mark("brokered", brokered=self._publisher.brokered)


def event(rng: random.Random) -> Payload:
    """Return an event without or with a personal body."""
    kind = rng.randrange(6)
    if kind == 0:
        return Read(mode="fields", document="prc-resident", holder="0" * 32, person=PERSON)
    if kind < 3:
        return Rated(session=SESSION, level=5, dwell_ms=kind)
    return Scanned(content="public", length_bytes=kind, text="0" * kind)


def busily(rng: random.Random) -> Callable[[Core, Pipe], None]:
    """Accept events at a rate that changes all the time."""

    def feed(core: Core, _pipe: Pipe) -> None:
        rest = threading.Event()
        while True:
            core.accept(*(event(rng) for _ in range(rng.choice([1, 1, 1, 2, 4]))))
            rest.wait(rng.choice([0.0, 0.0, 0.001, 0.01]))

    return feed


def steadily(rate: float) -> Callable[[Core, Pipe], None]:
    """Accept *rate* events a second until a line is heard; a number in it: so many at once, and go on."""

    def feed(core: Core, pipe: Pipe) -> None:
        rng, heard = random.Random(1), ""
        pipe.mark("runs")
        while not heard or heard.strip().isdigit():
            if heard:
                core.accept_many(int(heard), rng)
            elif rate:
                core.accept(event(rng))
            waits = not select.select([sys.stdin], [], [], 1 / rate if rate else None)[0]
            heard = "" if waits else sys.stdin.readline()
        pipe.mark("head", head=core.head)

    return feed


def child(config: Config, feed: Callable[[Core, Pipe], None]) -> Fork:
    def work(pipe: Pipe) -> None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        asyncio.run(Core(config, pipe, feed).run())

    return Fork(work)


def tell(**about: Any) -> None:
    print(json.dumps(about), flush=True)  # noqa: T201  # its report


def kill_one(config: Config, rng: random.Random) -> None:
    """Let one child live for a while, kill it, and tell what it had promised."""
    fork = child(config, busily(random.Random(rng.getrandbits(32))))
    fork.wait_marks(rng.randrange(1, MOST_MARKS) if rng.random() < 0.75 else 0)
    fork.go_on(rng.random() * LONGEST_MORE_S)
    status, marks = fork.kill()
    if status != KILLED:
        tell(what="wrong", problem=f"a child ended with {status} before it was killed")
    tell(what="accepted", events=[pair for mark in marks for pair in mark["events"]])


def main(arguments: Sequence[str]) -> None:
    path, kills, seed, rate, longest_pause_s = *arguments[:3], float(arguments[3]), float(arguments[4])
    logging.disable(logging.CRITICAL)
    if longest_pause_s:
        connection._BACKOFF_S = (longest_pause_s / 4, longest_pause_s)  # noqa: SLF001  as shipped it waits for seconds
    config, rng = load(path), random.Random(int(seed))
    for name in ("pyudev", "ctypes.util", "encodings.idna"):  # once, and not in every child
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection in a child would copy all that it shares with us
    for _ in range(int(kills)):
        kill_one(config, rng)
    tell(what="killed", kills=int(kills))
    asyncio.run(Core(config, Pipe(sys.stdout.fileno()), steadily(rate)).run())


if __name__ == "__main__":
    main(sys.argv[1:])
