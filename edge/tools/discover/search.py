"""Let one driver search, in a process of its own: ``python -m edge.tools.discover.search DRIVER SECONDS [PACKAGE…]``.

Prints the offers as one line of JSON. What a library prints meanwhile goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import msgspec

from edge.registry import Registry

GRACE_S = 5.0
"""How much longer than asked a search may take before it counts as hung."""


def main(arguments: Sequence[str]) -> int:
    """Search and print; the alarm ends what nobody waits for any more."""
    name, seconds, *allowed = arguments
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, float(seconds) + 2 * GRACE_S)
    out = os.dup(1)
    os.dup2(2, 1)
    offers = list(Registry(allowed).load(name).search(float(seconds)))
    os.write(out, msgspec.json.encode(offers) + b"\n")
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # whatever a library still does
