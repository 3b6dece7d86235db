"""Notices that a window's store is an older copy of itself; no I/O, no clock.

One health behind what was received proves nothing: after a reconnect an old one is sent once more. Two live ones,
well apart, with none in between that was not behind, do.
"""

from __future__ import annotations

from edge.subscriber.model import Limits


class Doubt:
    """Compares what a window's health says, ``(epoch, head)``, with what was received of it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._word: tuple[int, int] | None = None
        self._since: float | None = None
        self._again = False
        self._looked_at = float("-inf")

    def heard(self, epoch: int, head: int, *, behind: bool) -> None:
        """Take a live health."""
        self._word = (epoch, head) if behind else None
        self._again = behind and self._since is not None
        self._since = self._since if behind else None

    def proved(self, now: float) -> tuple[int, int] | None:
        """Return the word that counts, once; call it several times a second."""
        if self._word is None:
            return None
        if self._since is None:
            self._since = now
        elif self._again and now - self._since >= self._limits.went_back_after_s:
            word, self._word, self._since = self._word, None, None
            return word
        self._again = False
        return None

    def may_look(self, now: float) -> bool:
        """Return whether a number given twice may be looked into: not too often, as anybody may copy a number."""
        if now - self._looked_at < self._limits.ask_pause_s:
            return False
        self._looked_at = now
        return True
