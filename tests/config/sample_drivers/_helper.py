"""A helper: no driver, whatever it defines."""

from __future__ import annotations

from collections.abc import Iterable

from edge.driver import DeviceInfo, Driver
from edge.events import Payload


class Quiet(Driver):
    """Does nothing, as a device that nobody touches."""

    def open(self) -> DeviceInfo:
        return DeviceInfo()

    def poll(self, wait_s: float) -> Iterable[Payload]:
        del wait_s
        return ()

    def close(self) -> None:
        pass
