"""The self-test of an evaluation pad: whether it takes a request, and, with a person's help, whether its keys work."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from drivers._pad_line import PadLine
from drivers._pad_protocol import Protocol, Signal
from drivers._selftest import SLICE_S, patience
from edge.driver import Finding, Job, Port
from edge.selftest.model import Level

ACCEPTED = "the pad has accepted a request"
SENT = "a request was sent; such a pad does not answer it: look at its lamp"


class Trial:
    """One self-test of an open pad."""

    def __init__(self, line: PadLine, protocol: Protocol, port: Port, answer_s: float, level: Level, job: Job) -> None:
        self._line, self._protocol, self._port = line, protocol, port
        self._answer_s, self._level, self._job = answer_s, level, job

    def findings(self) -> Iterator[Finding]:
        """Yield what is found. A pad is asked nothing at the internal level: a request lights and speaks."""
        if self._level == "internal":
            return
        self._job.check()
        self._line.discard()
        request = self._line.frame(self._protocol.request, 0, max(1, int(self._job.remaining_s())))
        self._line.write(request)
        try:
            accepted = self._accepted()
            if accepted is False:
                yield Finding(code="PAD-206", result="fail")
            elif request:
                yield Finding(code="PAD-000", seen=ACCEPTED if accepted else SENT)
            if self._level == "interactive" and accepted is not False:
                yield from self._key()
        finally:
            self._line.write(self._line.frame(self._protocol.cancel))

    def _accepted(self) -> bool | None:
        """Wait for the pad's word that it has taken the request; ``None``: such a pad says none."""
        if not self._protocol.accepted:
            return None
        end = self._port.monotonic() + self._answer_s
        while (left_s := end - self._port.monotonic()) > 0:
            self._job.check()
            if any(signal.what == "accepted" for signal in self._heard(min(SLICE_S, left_s))):
                return True
        return False

    def _key(self) -> Iterator[Finding]:
        self._job.report("PAD-201")
        for wait_s in patience(self._job):
            for signal in self._heard(wait_s):
                if signal.what == "key" and signal.means != "timed-out":
                    self._line.write(self._line.frame(self._protocol.key_taken))
                    means = f"level {signal.means}" if isinstance(signal.means, int) else str(signal.means)
                    yield Finding(code="PAD-203", seen=f"a key was pressed: {means}")
                    return
                if signal.what == "unmapped":
                    yield Finding(code="PAD-204", result="fail")
                    return
        yield Finding(code="PAD-205", result="fail")

    def _heard(self, wait_s: float) -> list[Signal]:
        """Return what the pad says within a moment, in order."""
        self._line.listen(wait_s)
        inbox: deque[Signal] = self._line.inbox
        heard = list(inbox)
        inbox.clear()
        return heard
