"""Behave like an evaluation pad on a serial line, in one of the four profiles of ``docs/pads.md``.

A pad with a request takes keys only while it is asked to evaluate (``always=1``: at any time), ends the
evaluation by itself when its time is over, and repeats a key until it is acknowledged if the profile says so.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.model import BAUD_HELP, Binder, Deed, Model, Output, baud_options
from simulators.pad_profiles import DECLINED, LEVELS, PROFILES, TIMED_OUT, Profile
from simulators.words import ScenarioError, Words, to_seconds, unknown

HALF_FRAME_S = 0.2
KEYS = {**{level: level for level in LEVELS}, "decline": DECLINED}
MOST_PRESSES = 100_000


@dataclass(slots=True)
class _Press:
    """One key press, at its time."""

    at: float
    outcome: str
    reasons: str


@dataclass(slots=True)
class _Repeat:
    """A key that waits for its acknowledgement."""

    frame: bytes
    at: float
    left: int


class EvaluationPad(Model):
    """Keep what a pad keeps: whether it is asked, until when, and the key nobody acknowledged yet."""

    summary = "evaluation pad, serial"
    options: ClassVar[Mapping[str, str]] = {
        **BAUD_HELP,
        "profile": ", ".join(PROFILES),
        "address": "1 to 255, for profile addressable",
        "heartbeat": "seconds between heartbeats, for profile addressable; 0 = none",
        "always": "1: takes keys without being asked",
    }

    def __init__(self, words: Words, seed: int = 0) -> None:
        super().__init__()
        del seed
        self._heartbeat_s = 0.0
        self._profile = self.make_profile(words)
        self._always = words.flag("always") or not self._profile.asks
        words.done()
        self.kinds = self._profile.kinds
        self._asked = False
        self._gives_up_at: float | None = None
        self._heartbeat_at: float | None = None
        self._repeat: _Repeat | None = None
        self._presses: deque[_Press] = deque()
        self._buffer, self._heard_at = bytearray(), 0.0

    def make_profile(self, words: Words) -> Profile:
        """Take the options of a pad on a serial line, and give its dialect."""
        name = words.choice("profile", tuple(PROFILES), "aa55_xor")
        profile = PROFILES[name](words.number("address", 1, 1, 255))
        self.baud, self.garbles_wrong_baud = baud_options(words, profile.baud, garbles=True)
        self._heartbeat_s = words.seconds("heartbeat", profile.heartbeat_s)
        if self._heartbeat_s and not profile.heartbeat():
            raise ScenarioError("a pad of this profile has no heartbeat")
        return profile

    def actions(self) -> Mapping[str, Binder]:
        """Name what a person can do to the pad."""
        return {"press": self._bind_press, "wait-request": self._bind_wait_request}

    def power_on(self, now: float) -> None:
        """Show the resting picture."""
        super().power_on(now)
        self._heartbeat_at = now + self._heartbeat_s if self._heartbeat_s else None

    def power_off(self) -> None:
        """Forget everything."""
        super().power_off()
        self._rest()
        self._presses.clear()
        self._buffer.clear()

    def receive(self, data: bytes, now: float) -> list[Output]:
        """Obey requests, cancels and acknowledgements."""
        if now - self._heard_at > HALF_FRAME_S:
            self._buffer.clear()
        self._heard_at = now
        self._buffer += data
        outputs: list[Output] = []
        while heard := self._profile.hear(self._buffer):
            if heard.what == "request":
                outputs += self._ask(heard.seconds, now)
            elif heard.what == "cancel":
                self._rest()
                self.counters["cancels"] += 1
            elif heard.what == "ack":
                self._repeat = None
                self.counters["acks"] += 1
            else:
                self.counters["bad_frames"] += 1
        return outputs

    def due(self, now: float) -> list[Output]:
        """Press the keys whose time has come, repeat, give up, beat."""
        outputs: list[Output] = []
        while self._presses and self._presses[0].at <= now:
            press = self._presses.popleft()
            outputs += self._take_key(press.outcome, press.reasons, now)
        if self._gives_up_at is not None and self._gives_up_at <= now:
            self.counters["own_timeouts"] += 1
            outputs += self._end(self._profile.outcome(TIMED_OUT), now)
        if self._repeat and self._repeat.at <= now:
            outputs.append(self._say(self._repeat.frame))
            self.counters["repeats"] += 1
            self._repeat.at += self._profile.repeat_s
            self._repeat.left -= 1
            if not self._repeat.left:
                self._repeat = None
        if self._heartbeat_at is not None and self._heartbeat_at <= now:
            self._heartbeat_at += self._heartbeat_s
            outputs.append(self._say(self._profile.heartbeat()))
        return outputs

    def next_due(self) -> float | None:
        """Tell when the pad says something by itself."""
        times = [self._gives_up_at, self._heartbeat_at]
        times += [self._repeat.at] if self._repeat else []
        times += [self._presses[0].at] if self._presses else []
        return min((at for at in times if at is not None), default=None)

    def spoiled(self, data: bytes) -> bytes:
        """Give the frame with a wrong checksum."""
        return self._profile.spoiled(data)

    def _say(self, frame: bytes) -> Output:
        return Output(frame, self._profile.kind(frame))

    def _ask(self, seconds: int, now: float) -> list[Output]:
        """Start an evaluation; zero seconds are no limit."""
        self._rest()
        self._asked = True
        self._gives_up_at = now + seconds if seconds else None
        self.counters["requests"] += 1
        accepted = self._profile.accepted()
        return [self._say(accepted)] if accepted else []

    def _rest(self) -> None:
        self._asked, self._gives_up_at, self._repeat = False, None, None

    def _take_key(self, outcome: str, reasons: str, now: float) -> list[Output]:
        if not self._asked and not self._always:
            self.counters["ignored_presses"] += 1
            return []
        self.counters["presses"] += 1
        return self._end(self._profile.outcome(outcome, reasons), now)

    def _end(self, frame: bytes, now: float) -> list[Output]:
        """End the evaluation with a frame that may want an acknowledgement."""
        self._rest()
        if self._profile.repeats:
            self._repeat = _Repeat(frame, now + self._profile.repeat_s, self._profile.repeats)
        return [self._say(frame)]

    def _bind_press(self, words: Words) -> Deed:
        """``press 5…1|decline [times=N rate=R] [reasons=401,512] | press raw=HEX``: press a key."""
        key = words.optional()
        raw = words.raw("raw")
        times = words.number("times", 1, 1, MOST_PRESSES)
        rate = to_seconds(words.text("rate", "10"), "rate")
        reasons = self._checked_reasons(words.text("reasons", ""))
        words.done()
        if (key is None) == (raw is None):
            raise ScenarioError("press needs either a key or raw=")
        if raw is not None:
            return Deed(lambda _: [Output(raw)] if self.powered else [], until_sent=True, limit_s=math.inf)
        usable = [word for word, outcome in KEYS.items() if outcome in self._profile.outcomes]
        if key not in usable or not rate:
            raise unknown("key", key or "", usable) if rate else ScenarioError("rate must be more than 0")
        outcome = KEYS[key]

        def press(now: float) -> list[Output]:
            if not self.powered:
                return []
            self._presses.extend(_Press(now + n / rate, outcome, reasons) for n in range(times))
            return self.due(now)

        return Deed(press, lambda: not self._presses, until_sent=True, limit_s=math.inf)

    def _checked_reasons(self, text: str) -> str:
        digits = self._profile.reason_digits
        codes = text.split(",") if text else []
        if codes and not digits:
            raise ScenarioError("a pad of this profile sends no reasons")
        if not all(code.isascii() and code.isdigit() and len(code) == digits for code in codes):
            raise ScenarioError(f"reasons are codes of {digits} digits with commas between them")
        return "".join(codes)

    def _bind_wait_request(self, words: Words) -> Deed:
        """``wait-request [S]``: wait until the host asks for an evaluation, S seconds at most."""
        limit = words.optional()
        words.done()
        if not self._profile.asks:
            raise ScenarioError("a pad of this profile is never asked")
        limit_s = None if limit is None else to_seconds(limit, "S")
        return Deed(lambda _: [], lambda: self._asked, limit_s=limit_s)
