"""``hall-edge selftest``: can this window open? Arguments, what is said to people and to programs, and exit codes.

The checks themselves are :mod:`edge.selftest`'s.
"""

from edge.tools.selftest.command import add_arguments, run

__all__ = ["add_arguments", "run"]
