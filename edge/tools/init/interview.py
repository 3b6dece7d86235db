"""The five questions. A person is asked again after a wrong answer; a script is told where it went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import ConfigError, Problem, quoted
from edge.tools.columns import WIDTH, cut
from edge.tools.init import answers as checks
from edge.tools.init import devices
from edge.tools.init.answers import Answers
from edge.tools.init.devices import Choice
from edge.tools.init.texts import CAUSES_ZH, TEXTS

QUESTIONS = ("hall", "window", "broker", "office", "devices")
_ABOUT = {"window.hall": "hall", "window.window": "window", "mqtt.url": "broker", "subscriber": "office",
          "device": "devices"}  # fmt: skip
_BY_CODE = {"CFG-144": ("office",), "CFG-142": ("broker", "office"), "CFG-160": ("hall", "window")}
_HINT_SAYS_ALL = ("CFG-113", "CFG-140", "CFG-191")


@dataclass
class Interview:
    """Asks what *answers* does not hold yet; *defaults* are taken by Enter."""

    answers: Answers
    defaults: Mapping[str, str]
    look: Callable[[], Sequence[Choice]]
    """Finds the devices; called when they are asked for."""
    language: str
    root: str = ""
    for_unit: bool = True
    """Whether systemd will start the daemon, which then does not see every folder."""
    fixed: Collection[str] = ()
    """What flags say that no answer could."""
    _lines: int = 0
    _begun: bool = False

    def hold(self, names: Sequence[str] = QUESTIONS) -> None:
        """Ask for those of *names* that are not known."""
        for name in names:
            if not self._known(name):
                if not self._begun:
                    self.say(self._texts["title"])
                    self._begun = True
                getattr(self, f"_ask_{name}")()

    def again(self, problems: Sequence[Problem]) -> bool:
        """Say what is wrong and ask once more for what it is about; false when that cannot help."""
        names = {name for problem in problems for name in _about(problem)}
        if not names or not self.is_person or not names.isdisjoint(self.fixed):
            return False
        self.say(self._texts["not-yet"], *(f"  {self._cause(one)} — {one.action}" for one in problems))
        for name in names:
            self._forget(name)
        self.hold([name for name in QUESTIONS if name in names])
        return True

    @property
    def is_person(self) -> bool:
        """Whether somebody sits at the terminal."""
        return sys.stdin is not None and sys.stdin.isatty()

    def say(self, *lines: str) -> None:
        """Print *lines* beside the result: it may go into a file."""
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()

    @property
    def _texts(self) -> Mapping[str, str]:
        return TEXTS[self.language]

    def _known(self, name: str) -> bool:
        if name == "office":
            return self.answers.lab or self.answers.subscribers is not None
        if name == "devices":
            return self.answers.devices is not None
        return bool(getattr(self.answers, "url" if name == "broker" else name))

    def _forget(self, name: str) -> None:
        if name == "office":
            self.answers.lab, self.answers.subscribers = False, None
        elif name == "devices":
            self.answers.devices = None
        else:
            setattr(self.answers, "url" if name == "broker" else name, "")

    def _ask_hall(self) -> None:
        self.answers.hall = self._ask("hall", self.defaults.get("hall", ""), checks.checked_hall)

    def _ask_window(self) -> None:
        self.answers.window = self._ask("window", self.defaults.get("window", ""), checks.checked_name)

    def _ask_broker(self) -> None:
        self.answers.url = self._ask("broker", self.defaults.get("broker", ""), checks.checked_broker)

    def _ask_office(self) -> None:
        def check(text: str) -> str:
            if text.lower() == checks.LAB or text == "-":
                return text.lower()
            return checks.checked_key(text, self.root, for_unit=self.for_unit)

        path = self._ask("office", self.defaults.get("office", ""), check)
        self.answers.lab = path == checks.LAB
        self.answers.subscribers = () if path in (checks.LAB, "-") else ((checks.named_after(path), path),)

    def _ask_devices(self) -> None:
        self.say(self._texts["searching"])
        listed = self.look()
        self.say(*devices.listing(listed, self.language))
        default = devices.by_default(listed)
        self.answers.devices = self._ask("devices", default, lambda text: devices.chosen(text, listed))

    def _ask(self, name: str, default: str, check: Callable[[str], Any]) -> Any:
        """Return what *check* makes of the answer; raises :class:`ConfigError` when nobody can be asked again."""
        question = self._texts[name] + (f" [{cut(default, 40)}]" if default else "")
        while True:
            sys.stderr.write(f"{question}: " if len(question) < WIDTH else f"{question}:\n  ")
            sys.stderr.flush()
            text = self._read() or default
            place = "" if self.is_person else f"<stdin>:{self._lines}"
            try:
                if not text:
                    raise checks.wrong("CFG-191", self._texts["nobody"], self._texts["give"], place)
                return checks.placed(place, check, text)
            except ConfigError as error:
                if not self.is_person:
                    raise
                self._explain(name, text, error.problems[0])

    def _explain(self, name: str, text: str, problem: Problem) -> None:
        """Say what is wrong with the answer *text*, and what to write."""
        hint_says_all = problem.code in _HINT_SAYS_ALL or name == "devices"
        cause = quoted(text, 40) if problem.code == "CFG-113" or name == "devices" else self._cause(problem, name)
        action = self._texts[f"hint-{name}"]
        if not hint_says_all and (self.language == "en" or (name == "office" and problem.code == "CFG-192")):
            action = f"{action}; {problem.action}"
        if problem.code != "CFG-191":
            cause = self._texts["wrong"].format(cause=cause)
        self.say(f"  {cause} — {self._texts['remedy'].format(action=action)}")

    def _cause(self, problem: Problem, name: str = "") -> str:
        if self.language == "en":
            return problem.cause
        return CAUSES_ZH.get(f"{name} {problem.code}") or CAUSES_ZH.get(problem.code, problem.cause)

    def _read(self) -> str:
        """Return the next line; raises :class:`ConfigError` when there is none."""
        line = sys.stdin.buffer.readline() if sys.stdin is not None else b""
        self._lines += 1
        if not line or not self.is_person:
            self.say("")  # the cursor stands behind the question
        if not line:
            cause = self._texts["nobody"]
            raise checks.wrong("CFG-191", cause, "answer every question, or give flags and --yes", "<stdin>")
        return line.decode("utf-8", "replace").strip()


def _about(problem: Problem) -> Sequence[str]:
    """Return the questions that *problem* is about."""
    if problem.code in _BY_CODE:
        return _BY_CODE[problem.code]
    return [name for key, name in _ABOUT.items() if problem.key.startswith(key)]
