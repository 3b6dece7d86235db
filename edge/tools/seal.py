"""``hall-edge seal``: seal an event as a window does, to test what opens it; or a request to a window."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge.sealing.jwe import JweSealer, SealError, current, read_keys
from edge.subscriber.errors import BadArgument
from edge.subscriber.topics import ROOT
from edge.tools.files import read_input

_BOUND = ("epoch", "seq", "type")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge seal``."""
    parser.add_argument("--to", type=Path, action="append", required=True, metavar="FILE", help="public JWK or JWK Set")
    parser.add_argument("--topic", required=True, help="where it will be published: it opens only there")
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="an event or a request as JSON (default: standard input)"
    )


def run(chosen: argparse.Namespace) -> int:
    """Print the JWE."""
    keys = current([key for path in chosen.to for key in read_keys(path)])
    plain = read_input(chosen.file)
    aad = json.dumps(bound(plain, chosen.topic), separators=(",", ":")).encode()
    sys.stdout.write(JweSealer(keys).seal(plain, aad).decode("ascii") + "\n")
    return 0


def bound(plain: bytes, topic: str) -> dict[str, Any]:
    """Return the ``aad`` of an event or a request on *topic*; raises ``BadArgument`` or :class:`SealError`."""
    levels = topic.split("/")
    if not topic.startswith(f"{ROOT}/") or len(levels) < len(ROOT.split("/")) + 3:
        raise BadArgument("that is no topic of a window", action=f"write it whole: {ROOT}/HALL/WINDOW/…")
    try:
        read = json.loads(plain)
        if "request_id" in read:
            return {"topic": topic, "request_id": str(read["request_id"])}
        hall, window = levels[2:4]
        return {"window": f"{hall}/{window}", **{name: read[name] for name in _BOUND}, "topic": topic}
    except (ValueError, TypeError, KeyError, RecursionError):
        action = "give a whole CloudEvent (epoch, seq, type) or a request (request_id)"
        raise SealError("that is no event and no request in JSON", code="SEC-119", action=action) from None
