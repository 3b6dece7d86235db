"""``hall-edge replay FILE``: a recording played to the unmodified daemon, and the events that come of it."""

from edge.tools.replay.command import add_arguments, run

__all__ = ["add_arguments", "run"]
