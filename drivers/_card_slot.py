"""A reader's slot and the card in it: what comes and goes, and work that is done with a card as one unit."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from drivers import _card_status as status
from drivers._card_apdu import Talk
from drivers._card_atr import parse_atr
from drivers._card_pcsc import Seen, Service
from drivers._card_reading import card_kind, rejected
from drivers._card_status import CardProblem
from edge.driver import Job, Port
from edge.errors import DeviceError
from edge.events import CardInserted, CardRead, CardRejected, CardRemoved, Payload, Transmitted

SLICE_S = 0.2
"""How long the service may be waited for before commands are looked after."""
BUDGET_S = 5.0
"""A card that takes longer is laid again."""
HELD_S = 10.0
"""Another program may have a reader for itself for so long: longer than any card takes."""
GONE_S = 0.5
"""How long a failed command may be ahead of the news that its card has gone."""


class Ask:
    """Whoever waits for a card: a job, or nobody. *port* shows that the reader lives while a card is slow."""

    def __init__(self, port: Port, job: Job | None = None) -> None:
        self._port = port
        self._job = job
        self._said = ""

    def check(self) -> None:
        self._port.proved()
        if self._job is not None:
            self._job.check()

    def say(self, text_code: str) -> None:
        if self._job is not None and text_code != self._said:
            self._said = text_code
            self._job.report(text_code)


@dataclass(repr=False)
class Inside:
    """The card in the reader."""

    count: int
    atr: bytes
    mute: bool
    done: bool = False
    """Served: not read again by itself."""
    held: bool = False
    """Another program had it when it was to be read."""
    left: bool = False
    """It was being pulled when it was to be read: the service will say so."""


Work = Callable[[Talk, Inside], CardRead | CardRejected | Transmitted]
Served = Generator[Payload, None, bool]


class Slot:
    """Watches one reader of an open service."""

    def __init__(self, service: Service, reader: str, port: Port) -> None:
        self.reader = reader
        self._service = service
        self._port = port
        self._watch = service.watch(reader)
        self._card: Inside | None = None
        self._held_since: float | None = None

    def look(self, work: Work | None, ask: Ask, wait_s: float, *, again: bool = False) -> Served:
        """Look once: has the card gone, is there one, is it to be served? Return whether it was.

        When reader or service goes away, so does the card.
        """
        try:
            return (yield from self._look(work, ask, wait_s, again=again))
        except DeviceError:
            yield from self._gone()
            raise

    def pass_over(self) -> None:
        """Take a card that has just come as served: it was put in for a test. Never raises."""
        with suppress(DeviceError):  # the next look says so
            self._watch.look(0)
            seen = self._watch.seen
            if self._card is None and seen is not None and seen.present:
                self._card = Inside(seen.count, seen.atr, seen.mute, done=True)

    def _look(self, work: Work | None, ask: Ask, wait_s: float, *, again: bool) -> Served:
        self._watch.look(wait_s)
        self._port.proved()
        if self._watch.seen is not None:
            self._check_held(self._watch.seen)
            yield from self._follow(self._watch.seen)
        card = self._card
        if work is None or card is None or card.left or (card.done and not again):
            return False
        return (yield from self._serve(card, work, ask))

    def _check_held(self, seen: Seen) -> None:
        """Raise PCS-109 when another program does not let go of the reader any more."""
        now = self._port.monotonic()
        self._held_since = None if not seen.held else now if self._held_since is None else self._held_since
        if self._held_since is not None and now - self._held_since > HELD_S:
            raise status.held()

    def _follow(self, seen: Seen) -> Iterator[Payload]:
        """Tell of cards that have come or gone."""
        card = self._card
        if card is not None and (not seen.present or seen.count != card.count):
            yield from self._gone()
        elif card is not None and card.held and not seen.held:
            card.held = card.done = False  # the other program has let it go
        if seen.present and self._card is None:
            self._card = Inside(seen.count, seen.atr, seen.mute)
            atr = parse_atr(seen.atr)
            yield CardInserted(interface=atr.interface, card=card_kind(atr), product=atr.product)

    def _gone(self) -> Iterator[Payload]:
        if self._card is not None:
            self._card = None
            yield CardRemoved()

    # --- the card

    def _serve(self, card: Inside, work: Work, ask: Ask) -> Served:
        """Do *work* with the card and tell what became of it; one that was pulled too early does not count."""
        ask.say("reading")
        try:
            event: Payload = self._worked(card, work, ask)
        except CardProblem as problem:
            card.left = problem.trouble == "removed" or (problem.trouble != "held" and self._has_gone(card))
            card.held = problem.trouble == "held"
            unreadable = problem.trouble == "failed" and not parse_atr(card.atr).valid
            event = rejected("removed" if card.left else "mute" if unreadable else problem.trouble)
        card.done = True
        yield event
        return not card.left

    def _worked(self, card: Inside, work: Work, ask: Ask) -> CardRead | CardRejected | Transmitted:
        if card.mute:
            raise CardProblem("mute")
        end = self._port.monotonic() + BUDGET_S
        try:
            return self._once(card, work, ask, end)
        except CardProblem as problem:
            if problem.trouble != "reset":
                raise
        return self._once(card, work, ask, end)  # another program has reset the card: from the beginning, once

    def _once(self, card: Inside, work: Work, ask: Ask, end: float) -> CardRead | CardRejected | Transmitted:
        began, commands = self._port.monotonic(), 0

        def check() -> None:
            nonlocal commands
            commands += 1
            ask.check()
            if self._port.monotonic() > end:
                raise CardProblem("failed")

        try:
            # a card takes its time to wake up, and a reader to give up on it
            with self._port.slow(BUDGET_S + 2.0), self._service.card(self.reader) as handle:
                return work(Talk(handle.transmit, t0=handle.t0, check=check), card)
        finally:
            took_ms = round(1000 * (self._port.monotonic() - began))
            self._port.log("let go of a card", commands=commands, took_ms=took_ms)

    def _has_gone(self, card: Inside) -> bool:
        """Return whether a command failed because the card was leaving: the news of that may come a little later."""
        end = self._port.monotonic() + (GONE_S if not card.mute else 0)
        try:
            while (left := end - self._port.monotonic()) > 0:
                self._watch.look(min(left, SLICE_S))
                seen = self._watch.seen
                if seen is None or not seen.present or seen.count != card.count:
                    return True
        except DeviceError:
            return True  # with its reader; the next look says so
        return False
