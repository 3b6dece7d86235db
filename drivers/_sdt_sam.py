"""Commands to a reader's security module (SAM), each with the answers that fit it and its time limit.

Answers do not name their command. What keeps them in step: input is flushed before each command, an answer
whose shape belongs to another command is skipped as late, and after any failure the SAM id (nothing
else looks like it) is asked for first, so that everything still under way is behind us.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from drivers import _sdt_status as status
from drivers._sdt_frame import Answer, Hunter, request
from edge.errors import Unsupported
from edge.links import Link

GAP_S = 0.5
QUIET_S, QUIET_LIMIT_S = 0.05, 1.0
RESENDS = 2
ODD_FINDS = 5
UNHEARD_PROBES = 3


class SilentError(Exception):
    """Nothing arrived within the command's limit."""


class GarbledError(Exception):
    """Bytes arrived, but no answer that fits the command."""


@dataclass(frozen=True)
class Command:
    """A command: ``sizes`` are the data lengths of its success, ``strict`` refuses every other answer."""

    frame: bytes
    limit_s: float
    sizes: Container[int] = (0,)
    success: int = status.OK
    strict: bool = False

    def fits(self, answer: Answer) -> bool:
        """Return whether *answer* can be this command's."""
        if answer.status == self.success:
            return len(answer.data) in self.sizes
        if self.strict:
            return status.status(answer.status).next is status.Next.FAULT
        return not answer.data and answer.status not in _OWNERS - {self.success}


_OWNERS = {status.OK, status.CARD_FOUND}
"""Successes: one without data that is not the command's own is another command's."""
_SAM_ID_BYTES, _SELECT_BYTES = 16, 8
_RECORD_SIZES = frozenset(range(4, 4093)) - {_SAM_ID_BYTES, _SELECT_BYTES}

STATUS = Command(request(0x11, 0xFF), 1.0)
SAM_ID = Command(request(0x12, 0xFF), 1.0, (_SAM_ID_BYTES,))
BARRIER = Command(SAM_ID.frame, SAM_ID.limit_s, SAM_ID.sizes, strict=True)
FIND = Command(request(0x20, 0x01), 1.0, (4,), status.CARD_FOUND)
SELECT = Command(request(0x20, 0x02), 1.0, (_SELECT_BYTES,))
READ = Command(request(0x30, 0x01), 5.0, _RECORD_SIZES)
READ_WITH_FINGERPRINTS = Command(request(0x30, 0x10), 6.0, _RECORD_SIZES)
ADDRESSES = Command(request(0x30, 0x03), 2.0, (70, 140, 210, 280))


def set_max_rf(size: int) -> Command:
    """Return the command that sets the largest RF frame."""
    return Command(request(0x61, 0xFF, bytes((size,))), 1.0)


class Sam:
    """One reader on one link. Raises ``DeviceLost`` at any time; never holds what a card said."""

    def __init__(self, link: Link, monotonic: Callable[[], float]) -> None:
        self._link = link
        self.now = monotonic
        self._doubtful = False
        self._odd_finds = 0
        self._unheard_probes = 0
        self.has_id = False
        """Whether the SAM id can serve to get back into step."""

    def ask(self, command: Command) -> Answer:
        """Return the answer to *command*; raises ``SilentError``, ``GarbledError`` or a device error."""
        if self._doubtful:
            self._settle()
        answer = self._exchange(command)
        for _ in range(RESENDS):
            if status.status(answer.status).next is not status.Next.RESEND:
                break
            answer = self._exchange(command)
        row = status.status(answer.status)
        if row.code:
            raise status.error(row.code)
        return answer

    def insist(self, command: Command) -> Answer:
        """Like :meth:`ask`, once more after a failure; then it is the device that failed."""
        heard = False
        for _ in range(2):
            try:
                return self.ask(command)
            except GarbledError:
                heard = True
            except SilentError:
                pass
        raise status.error("IDC-104" if heard else "IDC-103")

    def find(self) -> bool:
        """Look for a card: also the proof that the reader is alive."""
        answer = self.insist(FIND)
        if answer.status in {status.CARD_FOUND, status.NO_CARD, status.NOT_SELECTED}:
            self._odd_finds = 0
            return answer.status == status.CARD_FOUND
        self._odd_finds += 1
        if self._odd_finds >= ODD_FINDS:
            raise status.error("IDC-121")
        return False

    def probe(self) -> Answer | None:
        """Ask for the additional addresses; ``None`` when nothing useful comes, or never did."""
        if self._unheard_probes >= UNHEARD_PROBES:
            return None
        try:
            answer = self.ask(ADDRESSES)
        except (SilentError, GarbledError):
            self._unheard_probes += 1
            return None
        self._unheard_probes = 0
        return answer

    def _exchange(self, command: Command) -> Answer:
        self._link.discard()
        self._link.write(command.frame)
        try:
            return self._receive(command)
        except (SilentError, GarbledError):
            self._doubtful = True
            raise

    def _receive(self, command: Command) -> Answer:
        """Hunt for an answer that fits, skipping late ones, until the limit or a gap in a frame."""
        hunter = Hunter()
        end = self.now() + command.limit_s
        heard = False
        while True:
            left = end - self.now()
            under_way = hunter.begun or hunter.broken
            data = self._link.read(min(left, GAP_S) if under_way else left) if left > 0 else b""
            heard = heard or bool(data)
            hunter.feed(data)
            step = hunter.take if data else hunter.give_up
            while (answer := step()) is not None:
                if command.fits(answer):
                    return answer
            if not data and (under_way or end - self.now() <= 0):
                raise GarbledError if heard else SilentError

    def _settle(self) -> None:
        """Get back into step: wait for silence, then for the answer that only the SAM id has."""
        end = self.now() + QUIET_LIMIT_S
        while self.now() < end and self._link.read(QUIET_S):
            pass
        if self.has_id:
            answer = self._exchange(BARRIER)
            if code := status.status(answer.status).code:
                raise status.error(code)
        self._doubtful = False


def detect(sam: Sam, link: Link, rates: Iterable[int]) -> Answer:
    """Return the first answer to *status*: at the rate the line has, then at each of *rates*.

    Silence everywhere, and answers that are no SDT frames, are device errors.
    """
    heard = False
    for rate in (None, *rates):
        if rate is not None:
            try:
                link.set_baud(rate)
            except Unsupported:
                break
        try:
            return sam.ask(STATUS)
        except GarbledError:
            heard = True
        except SilentError:
            pass
    raise status.error("IDC-102" if heard else "IDC-101")
