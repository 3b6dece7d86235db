"""Defines two drivers."""

from tests.config.sample_drivers.pad import PadDriver


class One(PadDriver):
    pass


class Two(PadDriver):
    pass
