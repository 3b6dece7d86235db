"""A wall clock that can be set, as the faults of the host have it."""

from tests.faults.host.conftest import clock, clock_library

__all__ = ["clock", "clock_library"]
