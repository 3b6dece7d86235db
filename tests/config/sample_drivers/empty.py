"""Defines no driver; one that is only imported does not count."""

from tests.config.sample_drivers.pad import PadDriver

__all__ = ["PadDriver"]
