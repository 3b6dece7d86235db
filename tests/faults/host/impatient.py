"""The daemon as ever, but it waits seconds where it else waits minutes before it tells of a silent subscriber."""

from __future__ import annotations

import sys

import edge.cli
from edge import problems

problems.SILENT_S = 2.0

if __name__ == "__main__":
    sys.exit(edge.cli.main())
