"""``hall-edge status``: what the running daemon says now."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, TextIO

from edge.tools.ask import Unreachable, add_socket_arguments, answers

UNREACHABLE = 3
_RARE = {"expired": "expired unconfirmed", "damaged": "damaged on the disk"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge status``."""
    add_socket_arguments(parser)


def run(chosen: argparse.Namespace) -> int:
    """Print one snapshot; 0 when all is well, 1 when a device is not usable or a person is needed, 3: no daemon."""
    try:
        now = next(answers(chosen.run_dir, "status"))
    except Unreachable as error:
        print(error, file=sys.stderr)  # noqa: T201
        return UNREACHABLE
    show(now, sys.stdout, as_json=chosen.json)
    usable = all(device["state"] in ("ready", "busy") for device in now["devices"].values())
    return 0 if usable and not any(map(needs_somebody, now["health"].get("problems", ()))) else 1


def needs_somebody(problem: dict[str, Any]) -> bool:
    """Return whether *problem* keeps the window from its work, or soon will."""
    return bool(problem.get("level", "attention") == "attention")


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
    _show_delivery(health, out)
    for problem in health.get("problems", ()):
        sign = "!" if needs_somebody(problem) else "-"
        out.write(f"{sign} {problem['code']} {problem['message']} — {problem['action']}\n")


def _show_delivery(health: dict[str, Any], out: TextIO) -> None:
    rungs = " → ".join(f"{rung} {seq}" for rung, seq in health["ladder"].items())
    out.write(f"delivery ({health['delivery']}): {rungs}\n")
    box = health["outbox"]
    oldest = f", oldest {box['oldest_s']} s" if box.get("oldest_s") is not None else ""
    counts = [f"{box['depth']} kept{oldest}", f"{box['quarantined']} refused by the broker"]
    counts += [f"{box[key]} {said}" for key, said in _RARE.items() if box.get(key)]
    out.write(f"outbox: {', '.join(counts)}\n")
    for name, subscriber in health.get("subscribers", {}).items():
        acked = f"last heard {subscriber['acked']}" if subscriber.get("acked") else "never heard"
        out.write(f"  {name:16} confirmed up to {subscriber['upto_seq']}, {acked}\n")
