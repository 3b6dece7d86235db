"""Put a model at the end of a port: what it hears, what it says, and what a bad cable makes of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from simulators.faults import PULL_GRACE_S, SPOILERS, Line, Piece, fault_from
from simulators.model import Binder, Deed, Model, Output
from simulators.port import Port
from simulators.words import ScenarioError, Words, to_seconds, unknown

LONGEST_PULL_S = 0.5
"""A host that reads nothing does not keep its cable in."""


class Device:
    """Own one port and its model; every method runs in the bench's lock."""

    def __init__(self, name: str, model_name: str, model: Model, port: Port, on_plug: "OnPlug", seed: int) -> None:
        self.name = name
        self.model_name = model_name
        self.model = model
        self.port = port
        self._on_plug = on_plug
        self._line = Line(seed)
        self._muted_until: float | None = None
        self._pull_by: float | None = None
        self._actions: Mapping[str, Binder] = {**self._common_actions(), **model.actions()}

    @property
    def link(self) -> Path:
        """Give the path of the port."""
        return self.port.link

    @property
    def address(self) -> str:
        """Give what a window's configuration says."""
        return f"serial://{self.port.link}"

    @property
    def counters(self) -> Counter[str]:
        """Give what it has counted."""
        return self.model.counters

    def bind(self, action: str, words: Words) -> Deed:
        """Check an action and its words, and make it ready to be done."""
        if action not in self._actions:
            raise unknown(f"action of {self.name} ({self.model_name})", action, self._actions)
        deed = self._actions[action](words)

        def start(now: float) -> list[Output]:
            self._say(deed.start(now), now)
            self.tick(now)
            return []

        def finished() -> bool:
            return deed.finished() and (self._line.idle() or not deed.until_sent)

        return Deed(start, finished, limit_s=deed.limit_s)

    def helps(self) -> dict[str, str]:
        """Describe every action, in one line each."""
        return {action: " ".join((binder.__doc__ or "").split()) for action, binder in self._actions.items()}

    def plug(self, now: float) -> None:
        """Appear, with power."""
        if self.port.fd is None:
            self.port.plug()
            self._on_plug(self)
            self.model.power_on(now)

    def unplug(self) -> None:
        """Disappear, and lose what was on its way."""
        self.port.unplug()
        self.model.power_off()
        self._line.clear()
        self._pull_by = None

    def hear(self, now: float) -> None:
        """Take what the host has written, and answer at the rate at which it was understood."""
        data = self.port.read()
        rate_fits = self._rate_fits()  # after reading: a host opens, sets the rate and writes while we look
        if not data:
            return
        self.model.counters["received_bytes"] += len(data)
        if self._is_muted(now):
            return
        if rate_fits:
            for output in self.model.receive(data, now):
                self._line.say(output, now)
        else:
            self.model.counters["wrong_baud_bytes"] += len(data)
            if self.model.garbles_wrong_baud and self.model.kinds:
                self._line.say(Output(self._line.noise.randbytes(8)), now)
        self.tick(now)

    def tick(self, now: float) -> None:
        """Say what is due."""
        if self.port.fd is None:
            return
        self._say(self.model.due(now), now)
        while piece := self._line.take(now):
            if piece.pull:
                self._pull(piece, now)
                return
            sent = self.port.write(piece.data)
            self.model.counters["sent_bytes"] += sent
            self.model.counters["lost_bytes"] += len(piece.data) - sent

    def next_due(self) -> float | None:
        """Tell when ``tick`` has something to do next."""
        if self.port.fd is None:
            return None
        times = (self.model.next_due(), self._line.next_due())
        return min((at for at in times if at is not None), default=None)

    def _pull(self, piece: Piece, now: float) -> None:
        """Pull the cable when the host has what was sent before, and not much later."""
        if self._pull_by is None:
            self._pull_by = now + LONGEST_PULL_S
        if self.port.unread() and now < self._pull_by:
            self._line.put_off(piece, now + PULL_GRACE_S)
        else:
            self.unplug()

    def _say(self, outputs: list[Output], now: float) -> None:
        """Send what the device says unasked; at a wrong rate the host hears noise or nothing."""
        if not outputs or self.port.fd is None or self._is_muted(now):
            return
        if self._rate_fits():
            for output in outputs:
                self._line.say(output, now)
        elif self.model.garbles_wrong_baud:
            for output in outputs:
                self._line.say(Output(self._line.noise.randbytes(len(output.data))), now)

    def _rate_fits(self) -> bool:
        return not self.model.baud or self.port.baud() == self.model.baud

    def _is_muted(self, now: float) -> bool:
        return self._muted_until is not None and now < self._muted_until

    def _common_actions(self) -> dict[str, Binder]:
        actions: dict[str, Binder] = {
            "plug": self._bind_plug,
            "unplug": self._bind_unplug,
            "mute": self._bind_mute,
            "unmute": self._bind_unmute,
        }
        return actions | {action: self._fault_binder(action) for action in SPOILERS}

    def _fault_binder(self, action: str) -> Binder:
        def bind(words: Words) -> Deed:
            make_fault = fault_from(action, words, self.model, self._line.noise)

            def add(_: float) -> list[Output]:
                self._line.add(make_fault())
                return []

            return Deed(add)

        bind.__doc__ = SPOILERS[action].__doc__
        return bind

    def _bind_plug(self, words: Words) -> Deed:
        """``plug``: put the cable in."""
        words.done()

        def start(now: float) -> list[Output]:
            try:
                self.plug(now)
            except OSError as error:
                raise ScenarioError(f"cannot plug {self.name}: {error}") from error
            return []

        return Deed(start)

    def _bind_unplug(self, words: Words) -> Deed:
        """``unplug``: pull the cable out."""
        words.done()

        def start(_: float) -> list[Output]:
            self.unplug()
            return []

        return Deed(start)

    def _bind_mute(self, words: Words) -> Deed:
        """``mute [S]``: hear and say nothing, for S seconds or until ``unmute``."""
        text = words.optional()
        words.done()
        seconds = float("inf") if text is None else to_seconds(text, "S")

        def start(now: float) -> list[Output]:
            self._muted_until = now + seconds
            self._line.clear()
            return []

        return Deed(start)

    def _bind_unmute(self, words: Words) -> Deed:
        """``unmute``: hear and speak again."""
        words.done()

        def start(_: float) -> list[Output]:
            self._muted_until = None
            return []

        return Deed(start)


OnPlug = Callable[[Device], None]
