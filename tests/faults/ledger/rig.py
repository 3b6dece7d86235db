"""A daemon core in a process of its own, as a test sees it: what it has promised, and whether that arrived."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.sealing.jwe import new_key, public_jwk
from edge.subscriber import Event
from tests.support.office import Office
from tests.support.project import ROOT
from tests.support.wait import wait_until

NAME = "case-system"


class Source:
    """A running ``tests.faults.ledger.killing``."""

    def __init__(
        self, folder: Path, port: int, hall: str, *,
        kills: int = 0, seed: int = 1, rate: float = 0, longest_pause_s: float = 0,
    ) -> None:  # fmt: skip
        self.accepted: dict[int, str] = {}
        """The id of every event it has promised, by seq."""
        self.problems: list[str] = []
        self.kills = 0
        self.head: int | None = None
        self.brokered = 0
        self.runs = False
        command = ["-m", "tests.faults.ledger.killing", str(_config(folder, port, hall)), kills, seed, rate]
        command.append(longest_pause_s)
        with (folder / "source.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name="source")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._take(json.loads(line))

    def _take(self, told: dict[str, Any]) -> None:
        what = told["what"]
        if what == "accepted":
            for seq, name in told["events"]:
                if self.accepted.setdefault(seq, name) != name:
                    self.problems.append(f"seq {seq} was given to two events")
        elif what == "wrong":
            self.problems.append(told["problem"])
        elif what == "killed":
            self.kills = told["kills"]
        elif what == "head":
            self.head = told["head"]
        elif what == "brokered":
            self.brokered = told["brokered"]
        else:
            self.runs = True

    def wait_runs(self, deadline_s: float) -> None:
        wait_until(lambda: self.runs or self.process.poll() is not None, deadline_s, "the last one runs")
        assert self.process.poll() is None, "it ended by itself"

    def accept(self, count: int, deadline_s: float) -> None:
        """Let it accept *count* events at once, and wait until the broker has taken them."""
        before = self.brokered
        self._say(f"{count}")
        wait_until(lambda: self.brokered > before, deadline_s, f"{count} events are with the broker")

    def finish(self) -> int:
        """Let it accept nothing more; return the last number it gave."""
        self._say("finish")
        return wait_until(lambda: self.head, 20, "the last number is known")

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def _config(folder: Path, port: int, hall: str) -> Path:
    """Write the configuration of a window with one registered subscriber and no device."""
    (folder / "state").mkdir(mode=0o700)
    key = new_key()
    (folder / "office.jwk").write_text(json.dumps(key.as_dict(private=True)))
    (folder / "office.jwk").chmod(0o600)
    (folder / "public.jwk").write_text(json.dumps(public_jwk(key)))
    path = folder / "hall-edge.toml"
    path.write_text(
        f'[window]\nhall = "{hall}"\nwindow = "w01"\nlab = true\n'
        f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\n'
        f'[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n[page]\nenabled = false\n'
        f'[[subscriber]]\nname = "{NAME}"\nkey = "{folder}/public.jwk"\n',
        encoding="utf-8",
    )
    return path


@contextmanager
def source(folder: Path, port: int, hall: str, **more: Any) -> Iterator[Source]:
    own = Source(folder, port, hall, **more)
    try:
        yield own
    finally:
        own.end()


def office(folder: Path, port: int, hall: str) -> Office:
    """Return the back office that the window is registered with; it keeps its position in *folder*."""
    return Office(f"mqtt://127.0.0.1:{port}", NAME, hall, keys=[folder / "office.jwk"], folder=folder)


def wrong(own: Source, events: Sequence[Event], head: int) -> list[str]:
    """Return what is not as it should be: every number once, in order, and each promised event under its own."""
    problems = list(own.problems)
    seqs = [event.seq for event in events]
    if seqs != list(range(1, head + 1)):
        missing, twice = set(range(1, head + 1)) - set(seqs), {seq for seq in seqs if seqs.count(seq) > 1}
        problems.append(f"missing {sorted(missing)[:9]}, twice {sorted(twice)[:9]}, in order {seqs == sorted(seqs)}")
    here = {event.seq: event.id for event in events}
    lost = [seq for seq, name in own.accepted.items() if here.get(seq) != name]
    problems += [f"promised and not delivered: {sorted(lost)[:9]}"] if lost else []
    closed = [event.seq for event in events if event.envelope.sealed and not event.opened]
    problems += [f"without their sealed view: {closed[:9]}"] if closed else []
    problems += [f"tombstones: {[event.seq for event in events if event.tombstone][:9]}"] if any(
        event.tombstone for event in events
    ) else []  # fmt: skip
    return problems
