"""Whoever waits for a card on an ID-card reader."""

from __future__ import annotations

from edge.driver import Job


class Ask:
    """A job, or nobody."""

    def __init__(self, job: Job | None = None) -> None:
        self._job = job
        self._said = ""

    def check(self) -> None:
        if self._job is not None:
            self._job.check()

    def say(self, text_code: str) -> None:
        if self._job is not None and text_code != self._said:
            self._said = text_code
            self._job.report(text_code)
