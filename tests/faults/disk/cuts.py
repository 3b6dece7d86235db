"""Power cuts: every point of a log, and what of the unsynced survived it, each opened and checked."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk.image import EVERYTHING, NOTHING, Disk, Image, Survival, lay_out
from tests.faults.disk.journal import Record
from tests.faults.disk.truth import Look, Truth, nothing_more, problems

SHARES = (0.1, 0.5, 0.9)
IN_MEMORY = Path("/dev/shm")  # noqa: S108  # a sync costs nothing there, and what is tested is the replay


@contextmanager
def scratch() -> Iterator[Path]:
    """Lend a folder for images: in memory when there is such a place."""
    place = str(IN_MEMORY) if os.access(IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hall-edge-disk-", dir=place) as folder:
        yield Path(folder)


def survivals(seed: int) -> Iterator[Survival]:
    """Yield endlessly: nothing unsynced survived, all of it did (a kill), or some of it, torn."""
    rng = random.Random(seed)
    while True:
        yield NOTHING
        yield Survival(rng.choice(SHARES), rng)
        yield EVERYTHING
        yield Survival(rng.choice(SHARES), rng)


def check(image: Image, truth: Truth, more: Look = nothing_more) -> list[str]:
    """Return what is wrong when *image* is opened, besides a lock and shared memory that nobody holds any more."""
    with scratch() as folder:
        lay_out(image, folder)
        if truth.accepted:  # what an earlier process left of its shared memory means nothing
            (folder / "outbox.db-shm").write_bytes(bytes(range(256)) * 128)
        return problems(folder, truth, more=more)


@dataclass
class Before:
    """What was there before a log begins: on the disk, and in promises."""

    image: Image = field(default_factory=dict)
    truth: Truth = field(default_factory=Truth)
    more: Look = nothing_more


def cut_everywhere(steps: list[Record], root: Path, seed: int, most: int, before: Before | None = None) -> Cuts:
    """Cut at every step of a log of *root* (at most *most* times, spread over it), and return what came of it."""
    before = before or Before()
    disk, truth, cuts = Disk(root, before.image), before.truth, Cuts()
    points = _points(steps, most, random.Random(seed))
    ways = survivals(seed)
    for number, step in enumerate(steps):
        if step.kind == "M":
            truth.hear(step.mark)
        else:
            disk.do(step)
        for _ in range(points.get(number, 0)):
            cuts.count += 1
            wrong = check(disk.found(next(ways)), truth, before.more)
            if wrong:
                cuts.failures.append(f"seed {seed}, step {number} ({step.kind}): {'; '.join(wrong[:3])}")
    cuts.accepted = len(truth.accepted)
    return cuts


class Cuts:
    """How many cuts there were, and which of them lost something."""

    def __init__(self) -> None:
        self.count = self.accepted = 0
        self.failures: list[str] = []

    def add(self, other: Cuts) -> None:
        self.count += other.count
        self.accepted += other.accepted
        self.failures += other.failures


def _points(steps: list[Record], most: int, rng: random.Random) -> dict[int, int]:
    """Return how often to cut after which steps: after every one, then again at random until there are *most*."""
    everywhere = [number for number, step in enumerate(steps) if step.kind not in "BC"]
    if most < len(everywhere):
        return dict.fromkeys(rng.sample(everywhere, most), 1)
    points = dict.fromkeys(everywhere, 1)
    for number in rng.choices(everywhere, k=most - len(everywhere)):
        points[number] += 1
    return points
