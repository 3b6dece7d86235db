"""``python -m edge.tools.units``: what the drivers need, in the words of systemd, udev and polkit.

The parts of the files in ``systemd/`` between *begin generated* and *end generated* are written by ``make units``. For
a driver of another package the same is printed as a drop-in and rules of its own.
"""
