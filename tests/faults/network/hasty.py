"""Run the daemon with short deadlines of the link: what takes 5 s in the field takes 1 s here."""

from __future__ import annotations

import sys

from edge.cli import main
from edge.delivery import connection, flights, transport

connection._BACKOFF_S = (0.1, 0.5)  # noqa: SLF001
connection._REFUSED_S = 1.0  # noqa: SLF001
connection._STEADY_S = 1.0  # noqa: SLF001
flights.ACK_LIMIT_S = 1.0
transport._CONNECT_S = 1.0  # noqa: SLF001

if __name__ == "__main__":
    sys.exit(main())
