"""The daemon as ever, but for one thing: it takes no device pulled twice a second for one with a bad cable."""

from __future__ import annotations

import sys

import edge.cli
from edge import flapping

flapping.LOSSES = sys.maxsize

if __name__ == "__main__":
    sys.exit(edge.cli.main())
