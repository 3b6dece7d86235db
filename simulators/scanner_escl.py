"""A network scanner that speaks eSCL: a glass, a feeder with sheets, duplex, and all that goes wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from simulators.escl_device import EsclDevice
from simulators.escl_options import OPTIONS, read_looks, read_manners
from simulators.escl_server import HOST, EsclServer
from simulators.escl_state import Faults, Forced
from simulators.model import Binder, Deed, Output
from simulators.served import Served
from simulators.words import ScenarioError, Words, to_number, unknown

MOST_SHEETS = 100_000
STATES = ("Idle", "Testing", "Stopped", "Down")
STOPS = {
    "jam": "ScannerAdfJam",
    "mispick": "ScannerAdfMispick",
    "double-feed": "ScannerAdfMultipickDetected",
    "hatch": "ScannerAdfHatchOpen",
    "door": "ScannerAdfDoorOpen",
    "too-short": "ScannerAdfDuplexPageTooShort",
    "too-long": "ScannerAdfDuplexPageTooLong",
    "tray": "ScannerAdfInputTrayFailed",
    "overload": "ScannerAdfInputTrayOverloaded",
}


class EsclScanner(Served):
    """Reads options and actions, and drives device and server."""

    summary = "eSCL (AirScan) network scanner with glass and feeder"
    options: ClassVar[Mapping[str, str]] = OPTIONS

    def __init__(self, place: Path, words: Words, seed: int = 0) -> None:
        super().__init__(place, words, seed)
        certificate = words.text("certificate", "")
        self.device = EsclDevice(
            read_looks(words, seed),
            read_manners(words),
            seed,
            root=words.text("root", "eSCL"),
            pace_s=words.seconds("pace", 0),
        )
        self.device.sheets.extend([(False, False)] * words.number("sheets", 0, 0, MOST_SHEETS))
        chunked, keep = words.flag("chunked"), words.flag("keep", default=True)
        port = words.number("port", 0, 0, 65535)
        words.done()
        self.server = EsclServer(
            self.device, port, certificate=Path(certificate) if certificate else None, chunked=chunked
        )
        self.server.keep = keep
        self.server.count = self.device.count = self.count
        self._scheme = "escls" if certificate else "escl"

    @property
    def address(self) -> str:
        """Give what a window's configuration says for this scanner."""
        return f"{self._scheme}://{HOST}:{self.server.port}/{self.device.root}"

    def plug(self) -> None:
        """Switch it on."""
        self.server.start()

    def unplug(self) -> None:
        """Switch it off; jobs are forgotten, sheets stay where they are."""
        self.server.stop()
        with self.device.lock:
            self.device.jobs = {}

    def actions(self) -> Mapping[str, Binder]:
        """Name what a person can do with the scanner, and what can go wrong."""
        return {
            "load": self._bind_load,
            "empty": self._bind_empty,
            "lay": self._bind_lay,
            "stop": self._bind_stop,
            "clear": self._bind_clear,
            "busy": self._bind_busy,
            "free": self._bind_free,
            "freeze": self._bind_freeze,
            "thaw": self._bind_thaw,
            "cancel": self._bind_cancel,
            "state": self._bind_state,
            "answer": self._bind_answer,
            "cut": self._bind_cut,
            "damage": self._bind_damage,
            "not-ready": self._bind_not_ready,
        }

    def do(self, line: str) -> None:
        """Do one action at once: for tests that need no bench."""
        action, *rest = line.split()
        if action not in self.actions():
            raise unknown("action", action, self.actions())
        self.actions()[action](Words(rest)).start(0.0)

    def _deed(self, work: Callable[[], object]) -> Deed:
        def start(_: float) -> list[Output]:
            with self.device.lock:
                work()
            return []

        return Deed(start)

    def _bind_load(self, words: Words) -> Deed:
        """``load N [blank=2b+3]``: lay N more sheets in; blank sides are counted from 1, b = back."""
        count = to_number(words.required("N"), "N", 1, MOST_SHEETS)
        blank = {one for one in words.text("blank", "").split("+") if one}
        words.done()
        sheets = [(str(n) in blank, f"{n}b" in blank) for n in range(1, count + 1)]
        return self._deed(lambda: self.device.sheets.extend(sheets))

    def _bind_empty(self, words: Words) -> Deed:
        """``empty``: take all sheets out of the feeder."""
        words.done()
        return self._deed(self.device.sheets.clear)

    def _bind_lay(self, words: Words) -> Deed:
        """``lay [blank=1]``: lay a page, or an empty one, on the glass."""
        blank = words.flag("blank")
        words.done()
        return self._deed(lambda: setattr(self.device, "flat_blank", blank))

    def _bind_stop(self, words: Words) -> Deed:
        """``stop WHAT [page=K]``: jam, mispick, double-feed, hatch, door, …: now, or instead of page K of a job."""
        what = words.required("WHAT")
        page = words.number("page", 0, 0, MOST_SHEETS)
        words.done()
        if what not in STOPS:
            raise unknown("trouble", what, STOPS)

        def work() -> None:
            if page:
                self.device.faults.stop_page, self.device.faults.stop_state = page, STOPS[what]
            else:
                self.device.trouble = STOPS[what]

        return self._deed(work)

    def _bind_clear(self, words: Words) -> Deed:
        """``clear``: take out what is jammed, shut every cover, mend everything."""
        words.done()

        def work() -> None:
            self.device.trouble, self.device.state, self.device.busy, self.device.faults = None, None, False, Faults()

        return self._deed(work)

    def _bind_busy(self, words: Words) -> Deed:
        """``busy``: scan for somebody else."""
        words.done()
        return self._deed(lambda: setattr(self.device, "busy", True))

    def _bind_free(self, words: Words) -> Deed:
        """``free``: have no other job any more."""
        words.done()
        return self._deed(lambda: setattr(self.device, "busy", False))

    def _bind_freeze(self, words: Words) -> Deed:
        """``freeze``: take connections and requests, and answer nothing."""
        words.done()
        return self._deed(self.server.thawed.clear)

    def _bind_thaw(self, words: Words) -> Deed:
        """``thaw``: answer again, also what was asked meanwhile."""
        words.done()
        return self._deed(self.server.thawed.set)

    def _bind_cancel(self, words: Words) -> Deed:
        """``cancel``: press the scanner's own stop button."""
        words.done()
        return self._deed(self.device.cancel_jobs)

    def _bind_state(self, words: Words) -> Deed:
        """``state Idle|Testing|Stopped|Down``: be in that state; Idle = as it is."""
        state = words.required("STATE")
        words.done()
        if state not in STATES:
            raise unknown("state", state, STATES)
        return self._deed(lambda: setattr(self.device, "state", None if state == "Idle" else state))

    def _bind_answer(self, words: Words) -> Deed:
        """``answer post|next CODE [times=N] [page=K]``: answer so instead, N times."""
        to, code = words.required("post|next"), to_number(words.required("CODE"), "CODE", 200, 599)
        times, page = words.number("times", 1, 1, 10**6), words.number("page", 0, 0, MOST_SHEETS)
        words.done()
        if to not in ("post", "next"):
            raise ScenarioError(f"answer is for post or next, not {to!r}")
        return self._deed(lambda: self.device.faults.forced.append(Forced(to, code, times, page)))

    def _bind_cut(self, words: Words) -> Deed:
        """``cut K [bytes=N] [times=N]``: reset the connection after N bytes of page K, also when it is sent again."""
        page = to_number(words.required("K"), "K", 1, MOST_SHEETS)
        size, times = words.number("bytes", 5000, 0, 10**8), words.number("times", 1, 1, 1000)
        words.done()

        def work() -> None:
            faults = self.device.faults
            faults.cut_page, faults.cut_bytes, faults.cut_times = page, size, times

        return self._deed(work)

    def _bind_damage(self, words: Words) -> Deed:
        """``damage K``: send page K without its end, as if it were whole."""
        page = to_number(words.required("K"), "K", 1, MOST_SHEETS)
        words.done()
        return self._deed(lambda: setattr(self.device.faults, "short_page", page))

    def _bind_not_ready(self, words: Words) -> Deed:
        """``not-ready N``: say N times before every page that it is not ready."""
        times = to_number(words.required("N"), "N", 0, 10**6)
        words.done()
        return self._deed(lambda: setattr(self.device.faults, "not_ready", times))
