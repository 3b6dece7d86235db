"""``hall-edge record DEVICE``: what a device and its driver say to each other, as a file without personal data."""

from edge.tools.record.command import add_arguments, run

__all__ = ["add_arguments", "run"]
