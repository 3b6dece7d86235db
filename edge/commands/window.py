"""Commands to the daemon itself: some are done at once, some are jobs that take their time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge.events import Params
from edge.jobs import DeviceJob

WindowCommand = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Start = Callable[[DeviceJob], None]
"""Begins a job, which ends by itself."""


class WindowJob(Protocol):
    """A command that takes its time."""

    params: type[Params]

    def check(self) -> None:
        """Raise ``Refusal`` when it cannot begin now."""

    def start(self, job: DeviceJob) -> None:
        """Begin; *job* ends it."""
