"""Makes the position safe, then acknowledges; and asks for what is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

import aiomqtt
import msgspec

from edge.errors import EdgeError
from edge.subscriber.errors import PositionError, Refused
from edge.subscriber.intake import Intake
from edge.subscriber.link import Link
from edge.subscriber.marks import Ack, Mark
from edge.subscriber.model import Delivery, Limits
from edge.subscriber.position import PositionFile
from edge.subscriber.topics import ROOT

log = logging.getLogger(__name__)


class Acknowledger:
    """Tells each window what its subscriber has processed, and never before that is safe."""

    def __init__(
        self, name: str, intake: Intake, link: Link, limits: Limits, file: PositionFile | None, *, silent: bool
    ) -> None:
        """With *silent* the position is kept, but nobody is told."""
        self._silent, self._saving = silent, False
        self._name, self._intake, self._link, self._limits, self._file = name, intake, link, limits, file
        self._saved: dict[str, Mark] = {}
        self._changed: set[str] = set()
        self._tell: set[str] = set()
        self._processed = 0
        self._told_at = float("-inf")
        self._complaints: set[str] = set()
        self.full = asyncio.Event()
        """Set when so much was processed that it should be acknowledged now."""

    @property
    def unsaved(self) -> bool:
        """Return whether something was processed and is not safe yet."""
        return bool(self._changed) or self._saving

    def begin(self, marks: Mapping[str, Mark]) -> None:
        """Go on behind *marks*, which are safe."""
        self._saved = dict(marks)

    def done(self, delivery: Delivery) -> None:
        """Note that the consumer has processed *delivery*."""
        self._intake.sequence(delivery.window).done(delivery)
        self._changed.add(delivery.window)
        self._processed += 1
        if self._processed >= self._limits.ack_every_events:
            self.full.set()

    def again(self) -> None:
        """Acknowledge everything again: after a reconnect nobody knows what arrived."""
        self._tell |= self._saved.keys()

    async def step(self, now: float, *, asking: bool, last: bool = False) -> None:
        """Save and acknowledge what is due; *asking*: also ask for what is missing; *last*: all is due."""
        self._tell |= self._intake.forgetful
        self._intake.forgetful.clear()
        due = last or self.full.is_set() or now - self._told_at >= self._limits.ack_every_s
        if due and (self._changed or self._tell):
            self._told_at = now
            await self._save()
        if self._silent or not self._link.connected:
            return
        asked = {name: pairs for name, pairs in self._questions(now).items() if pairs} if asking else {}
        for window in [*asked, *(self._tell - asked.keys() if due else ())]:
            await self._send(window, asked.get(window, ()))

    async def _save(self) -> None:
        changed, self._changed, self._processed = self._changed, set(), 0
        self._saving = True
        self.full.clear()
        marks = {window: self._intake.sequence(window).mark for window in changed}
        saved = self._saved | {window: mark.copy() for window, mark in marks.items() if mark}
        try:
            if self._file and changed:
                await asyncio.to_thread(self._file.write, saved)
        except PositionError as error:
            self._changed |= changed
            self._complain(error)
            return
        finally:
            self._saving = False
        self._complaints.discard(PositionError.default_code)
        self._saved = saved
        self._tell |= changed

    def _questions(self, now: float) -> dict[str, list[tuple[int, int]]]:
        return {name: sequence.questions(now) for name, sequence in self._intake.sequences.items()}

    async def _send(self, window: str, asked: Iterable[tuple[int, int]]) -> None:
        """Send one acknowledgement; an unsent one stays due."""
        ack = self._intake.sequence(window).acknowledgement(self._saved.get(window), asked)
        self._tell.add(window)
        try:
            if ack:  # a window that is not there to hear it is told again when it comes online
                await self._link.send(f"{ROOT}/{window}/ack/{self._name}", _encoded(ack))
                self._complaints.discard(Refused.default_code)
        except aiomqtt.MqttError:
            return
        except Refused as error:
            self._complain(error)
        self._tell.discard(window)

    def _complain(self, error: EdgeError) -> None:
        """Log the first failure loudly, repeats quietly."""
        log.log(logging.DEBUG if error.code in self._complaints else logging.ERROR, "not acknowledged: %s", error)
        self._complaints.add(error.code)


def _encoded(ack: Ack) -> bytes:
    missing = [[str(first), str(last)] for first, last in ack.missing]
    body = {"epoch": ack.epoch, "upto_seq": str(ack.upto), "missing": missing}
    return msgspec.json.encode(body | ({"upto_id": ack.upto_id} if ack.upto_id else {}))
