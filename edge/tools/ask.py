"""The caller's side of the control socket."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from edge.errors import EdgeError

CONNECT_S = 3.0


class Unreachable(EdgeError):
    """The daemon does not answer on its socket."""

    default_code = "SYS-103"
    default_action = "start it: sudo systemctl start hall-edge (or name its run folder with --run)"


def add_socket_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what finds the daemon's socket."""
    default = os.environ.get("RUNTIME_DIRECTORY", "/run/hall-edge")
    parser.add_argument(
        "--run", dest="run_dir", default=default, metavar="DIR", help="the daemon's run folder (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def answers(
    run_dir: str,
    verb: str,
    patience_s: float | None = None,
    connected: Callable[[socket.socket], None] = lambda _caller: None,
    **more: Any,
) -> Generator[dict[str, Any]]:
    """Ask the daemon *verb* and yield its answers; raises :class:`Unreachable` or what the daemon refuses.

    One that says nothing for *patience_s* is a ``TimeoutError``. *connected* gets the connection, to end what goes on.
    """
    path = Path(run_dir) / "control.sock"
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(CONNECT_S)
        try:
            caller.connect(str(path))
        except PermissionError:
            raise EdgeError(
                f"this user may not use {path}", code="SYS-104", action="use sudo, or join its group"
            ) from None
        except OSError as error:
            raise Unreachable(f"no daemon answers at {path} ({error.strerror or error})") from None
        caller.settimeout(patience_s)
        connected(caller)
        caller.sendall(json.dumps({"verb": verb, **more}).encode() + b"\n")
        for line in caller.makefile("rb"):
            answer: dict[str, Any] = json.loads(line)
            if "error" in answer:
                said = answer["error"]
                raise EdgeError(said["message"], code=said["code"], action=said.get("action"))
            yield answer
