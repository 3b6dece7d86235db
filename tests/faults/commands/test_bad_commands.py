"""G16: bad commands by the hundred thousand against the real desk and its real store; none is carried out.

Between them good ones are sent, which must be carried out: else a desk that refuses everything would pass. The desk
is ended and started again on its store all the time, and what was used before is sent again.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from edge.commands.admission import Gate
from edge.commands.permits import Permit
from edge.delivery.transport import Message
from tests.core.commands_rig import PAD, Counter, counter, open_gate, request
from tests.core.signed_rig import claims, mailed, signed, signed_gate, token
from tests.faults.commands.forge import DROPPED, OPEN, SIGNED, Bad
from tests.support.tiers import evidence, tiers
from tests.support.wait import wait_until_async

SHARE = 0.15
"""Of the commands goes to the window that knows keys: a signature takes 20 times as long as all other checks."""
BATCH = 200
LIVES = 10
MEMORY_MIB = 48
GOOD_EACH = 2
"""Good ones in a batch."""
REFUSALS = ("invalid", "refused", "unsupported")


class Assault:
    """Sends bad commands to one desk after another on the same store, and counts what became of them."""

    def __init__(self, folder: Path, seed: int, sorts: Mapping[str, Bad], gate: Gate) -> None:
        self.folder, self.gate = folder, gate
        self.random = Random(seed)
        self.sorts = {**sorts, **DROPPED}
        self.tally: Tally[str] = Tally()
        self.accepted: list[str] = []
        self.good = 0
        self._used: deque[Message] = deque(maxlen=500)
        folder.mkdir()

    async def life(self, count: int) -> None:
        """Send *count* bad commands to one run of the desk, which has forgotten its answers, but not what was used."""
        if self.gate.verifier and (self.folder / "outbox.db").exists():
            with closing(sqlite3.connect(self.folder / "outbox.db")) as db, db:
                db.execute("DELETE FROM request")
        async with counter(self.folder, self.gate) as desk:
            for first in range(0, count, BATCH):
                await self._batch(desk, min(BATCH, count - first))
            assert not desk.commands._running  # noqa: SLF001
            assert len(desk.commands._done) <= 1000  # noqa: SLF001

    async def _batch(self, desk: Counter, count: int) -> None:
        before = desk.executed
        fresh = [self._good() for _ in range(GOOD_EACH)]
        bad = [self._bad() for _ in range(count)]
        answered = [message for sort, message in bad if sort not in DROPPED] + fresh
        dropped = desk.commands.dropped
        for message in (*(message for _, message in bad), *fresh):
            desk.commands._heard += 1  # as hear() does in the MQTT thread  # noqa: SLF001
            desk.commands.handle(message)
        await wait_until_async(lambda: _completions(desk) >= len(answered), 30, "an answer to each")
        ends = {
            message.correlation: json.loads(message.payload)
            for message in desk.sent
            if b'"completion"' in message.payload
        }
        self.good += sum(ends[message.correlation]["code"] == "ok" for message in fresh)
        self.accepted += [
            sort for sort, message in bad
            if message.correlation in ends and sort != "replayed" and ends[message.correlation]["code"] not in REFUSALS
        ]  # fmt: skip
        extra = desk.executed - before - len(fresh)
        self.accepted += ["executed"] * max(0, extra)
        self.accepted += ["not dropped"] * (sum(sort in DROPPED for sort, _ in bad) - (desk.commands.dropped - dropped))
        self._used.extend(fresh)
        self._used.extend(message for sort, message in bad if sort in ("signed, wrong params", "signed, not allowed"))
        desk.sent.clear()

    def _good(self) -> Message:
        return signed() if self.gate.verifier else request(PAD, "evaluate", {"timeout_s": self.random.randint(3, 180)})

    def _bad(self) -> tuple[str, Message]:
        if self._used and self.random.random() < 0.05:
            self.tally["replayed"] += 1
            return "replayed", self.random.choice(self._used)
        sort = self.random.choice([*self.sorts])
        self.tally[sort] += 1
        return sort, self.sorts[sort](self.random)


def _completions(desk: Counter) -> int:
    return sum(b'"completion"' in message.payload for message in desk.sent)


@pytest.mark.parametrize("trials", tiers(short=50_000, long=1_000_000))
async def test_no_bad_command_is_carried_out(trials: int, tmp_path: Path) -> None:
    started = time.monotonic()
    one = Assault(tmp_path / "open", trials, OPEN, open_gate(permit=Permit()))
    other = Assault(tmp_path / "signed", trials + 1, SIGNED, signed_gate())
    lives = LIVES * max(1, trials // 200_000)
    await one.life(BATCH)  # what is loaded and kept once
    await other.life(BATCH)
    before = resident_mib()
    for _ in range(lives):
        await one.life(round(trials * (1 - SHARE)) // lives)
        await other.life(round(trials * SHARE) // lives)
    grown = resident_mib() - before
    tally = one.tally + other.tally
    evidence(
        "bad-commands", trials=tally.total(), failures=len(one.accepted) + len(other.accepted), sorts=len(tally),
        good_ones_done=one.good + other.good, restarts=2 * lives, memory_grown_mib=grown,
        seconds=round(time.monotonic() - started),
    )  # fmt: skip
    assert not Tally(one.accepted + other.accepted)
    assert tally.total() >= trials
    assert set(tally) == {*OPEN, *SIGNED, *DROPPED, "replayed"}
    assert one.good + other.good >= GOOD_EACH * (trials // BATCH)
    assert grown < MEMORY_MIB


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / (1 << 20)


async def test_the_count_can_fail(tmp_path: Path) -> None:
    """A window that lets one sort in is found out."""
    sorts: dict[str, Bad] = {"other audience": lambda _: signed(), "moved": lambda _: mailed(token(claims()))}
    assault = Assault(tmp_path / "desk", 1, sorts, signed_gate())
    await assault.life(BATCH)
    assert len([sort for sort in assault.accepted if sort in sorts]) > BATCH // 4
