"""``hall-edge open``: open a sealed event, check that it belongs where it was found, and print it as JSON."""

from __future__ import annotations

import argparse
import json
import stat
import sys
import time
from datetime import datetime
from pathlib import Path

from edge.sealing.jwe import Opener, SealError
from edge.sealing.provider import OURS, provider
from edge.subscriber.errors import WireError
from edge.subscriber.topics import EventTopic
from edge.subscriber.wire import bound_of, sealed_view
from edge.tools.files import FileProblem, read_input


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge open``."""
    parser.add_argument(
        "--key",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="private JWK or JWK Set; may be given several times",
    )
    parser.add_argument("--topic", help="the topic it came on (a replayed one: its User Property `topic`)")
    parser.add_argument("--provider", default=OURS, help="what opens it (default: %(default)s)")
    parser.add_argument("--package", help="the package that offers the provider")
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="the sealed body (default: standard input)"
    )


def run(chosen: argparse.Namespace) -> int:
    """Print the whole event, personal fields in clear; errors are raised."""
    opener = provider(chosen.provider, chosen.package).opener([_secret(path) for path in chosen.key])
    plain, notes = opened(read_input(chosen.file), chosen.topic, opener)
    for note in notes:
        print(note, file=sys.stderr)  # noqa: T201
    sys.stdout.write(json.dumps(json.loads(plain), ensure_ascii=False) + "\n")
    return 0


def opened(sealed: bytes, topic: str | None, opener: Opener) -> tuple[bytes, list[str]]:
    """Return the plain event and what a person should know; raises :class:`SealError`."""
    try:
        bound = bound_of(sealed)
        place = EventTopic.parse(topic or bound.topic)
        view = sealed_view(place, sealed, opener, lambda _epoch, _seq: True) if place else None
    except WireError:
        action = "give one message of a topic …/sealed/…, whole"
        raise SealError("that is no sealed event", code="SEC-112", action=action) from None
    if place is None or view is None:
        raise SealError("that is no topic of an event", code="SUB-103", action="write it whole: hall/v1/HALL/WINDOW/…")
    plain, aad = opener.open(sealed)  # raises when it cannot be opened at all
    if view.bad is not None:
        action = "compare the topics: somebody may copy messages"
        raise SealError("it belongs to another topic, number or type than it says", code="SEC-113", action=action)
    notes = [] if topic else [f"not compared with a topic (--topic); it says {bound.topic}"]
    end = json.loads(aad).get("exp")
    if isinstance(end, str) and datetime.fromisoformat(end).timestamp() < time.time():
        notes.append(f"its retention ended at {end}: the window has deleted it")
    return plain, notes


def _secret(path: Path) -> bytes:
    """Return a private key file's bytes; raises ``FileProblem``."""
    try:
        if path.stat().st_mode & stat.S_IRWXO:
            raise FileProblem(f"{path} is open to every user of this PC", code="SEC-114", action=f"chmod o= {path}")
        return path.read_bytes()
    except OSError as error:
        raise FileProblem(f"{path}: {error.strerror}") from error
