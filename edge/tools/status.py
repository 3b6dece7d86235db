"""``hall-edge status``: what the running daemon says now."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, TextIO

from edge.tools.ask import Unreachable, add_socket_arguments, answers

UNREACHABLE = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge status``."""
    add_socket_arguments(parser)


def run(chosen: argparse.Namespace) -> int:
    """Print one snapshot; 0 when every device is usable, 1 when one is not, 3 when no daemon answers."""
    try:
        now = next(answers(chosen.run_dir, "status"))
    except Unreachable as error:
        print(error, file=sys.stderr)  # noqa: T201
        return UNREACHABLE
    show(now, sys.stdout, as_json=chosen.json)
    return 0 if all(device["state"] in ("ready", "busy") for device in now["devices"].values()) else 1


def show(now: dict[str, Any], out: TextIO, *, as_json: bool) -> None:
    """Write the snapshot *now* to *out*, for people or as JSON."""
    if as_json:
        out.write(json.dumps(now, ensure_ascii=False) + "\n")
        return
    health, link = now["health"], now["health"]["link"]
    lab = "  LAB MODE: sealed to a key of this PC" if now["lab"] else ""
    out.write(f"window {now['hall']}/{now['window']}  hall-edge {now['version']}  up since {now['since']}{lab}\n")
    out.write(f"broker {link['state']}" + (f" ({link['code']})" if link.get("code") else "") + "\n")
    for name, device in now["devices"].items():
        proven = f"last proven {device['last_proven']}" if device.get("last_proven") else "not proven yet"
        out.write(f"  {name:16} {device['kind']:16} {device['state']:10} {proven}\n")
        if device.get("reason"):
            action = f" — {device['action']}" if device.get("action") else ""
            out.write(f"  {'':16} {device.get('code') or ''} {device['reason']}{action}\n")
    rungs = " → ".join(f"{rung} {seq}" for rung, seq in health["ladder"].items())
    out.write(f"delivery ({health['delivery']}): {rungs}\n")
    box = health["outbox"]
    oldest = f", oldest {box['oldest_s']} s" if box.get("oldest_s") is not None else ""
    out.write(f"outbox: {box['depth']} kept{oldest}, {box['quarantined']} refused by the broker\n")
