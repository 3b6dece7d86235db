"""``hall-edge discover``: what is plugged in, which driver fits, and the configuration lines to paste.

Needs no daemon and disturbs none: sysfs is read, and drivers may search where sysfs ends, each in a process of its
own with a time limit. No device is opened.
"""

from edge.tools.discover.command import add_arguments, run

__all__ = ["add_arguments", "run"]
