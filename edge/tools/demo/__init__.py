"""``hall-edge demo``: a whole window on any PC, with simulated devices and an embedded broker.

The daemon in it is the real one, as a process of its own; the devices are bytes on pseudo-terminals; what is
printed is what a back office sees.
"""

from edge.tools.demo.command import add_arguments, run

__all__ = ["add_arguments", "run"]
