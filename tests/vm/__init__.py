"""The virtual-machine lab: a real Debian 12 with the installed package; ``make vm-test``, never ``make test``."""
