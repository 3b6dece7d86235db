"""Who asked this window for what: an ``audit`` event for what was signed and accepted, and for what was forbidden.

No content, only who, what and when. Forbidden ones are told once a minute for each code with their number: strangers
must not be able to fill the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.commands.requests import Refusal
from edge.envelope import Draft
from edge.events import Audit

_PAUSE_S = 60.0
_TOLD = frozenset({"CMD-110", "CMD-111", "CMD-112", "CMD-113", "CMD-114", "CMD-115", "CMD-116", "CMD-117", "CMD-118"})


class Auditor:
    """Makes events of decisions; *commit* takes them and does not wait."""

    def __init__(self, commit: Callable[[Draft], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._commit, self._clock = commit, clock
        self._refused: dict[str, int] = {}
        self._told_at: dict[str, float] = {}

    def accepted(self, requester: str, request_id: str, device: str, command: str) -> None:
        """Tell that a signed request of the tier ``act`` begins."""
        event = Audit(outcome="accepted", requester=requester, request=request_id, device=device, command=command)
        self._commit(Draft("window", event))

    def refused(self, refusal: Refusal) -> None:
        """Tell that requests were not allowed, if it was not told within the last minute."""
        code = refusal.code
        if code not in _TOLD:
            return
        self._refused[code] = self._refused.get(code, 0) + 1
        told_at = self._told_at.get(code)
        if told_at is None or self._clock() - told_at >= _PAUSE_S:
            self._told_at[code] = self._clock()
            self._commit(Draft("window", Audit(outcome="refused", code=code, count=self._refused.pop(code))))
