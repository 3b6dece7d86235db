"""The daemon as ever, but for one thing: it starts again at once what fails again and again, and calls no cable bad."""

from __future__ import annotations

import sys

import edge.cli
from edge import flapping, supervisor

flapping.LOSSES = sys.maxsize
supervisor.STEADY_S = 0.0

if __name__ == "__main__":
    sys.exit(edge.cli.main())
