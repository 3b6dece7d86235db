"""``hall-edge bundle``: a diagnostics file for a supplier, without personal data and without secrets."""

from edge.tools.bundle.command import add_arguments, run

__all__ = ["add_arguments", "run"]
