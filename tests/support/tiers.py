"""Two sizes of one test: a short one that every run does, and a long one whose figures are published."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge import __version__

FOLDER = "HALL_EDGE_EVIDENCE"
"""The environment variable that names the folder for evidence."""


def tiers(*, short: int, long: int, timeout_s: int = 3600, short_timeout_s: int | None = None) -> list[Any]:
    """Return the values of a parameter: *short* trials in every run, *long* ones with ``--long``.

    Give time limits here: a mark at the test itself would be nearer than those of both.
    """
    limits = [] if short_timeout_s is None else [pytest.mark.timeout(short_timeout_s)]
    return [
        pytest.param(short, id="short", marks=[pytest.mark.slow, *limits]),
        pytest.param(long, id="long", marks=[pytest.mark.long, pytest.mark.timeout(timeout_s)]),
    ]


def evidence(name: str, *, trials: int, failures: int, **figures: float | str) -> None:
    """Keep the figures of a test as ``{name}.json`` where the environment names a folder.

    0 failures in N trials mean at most 3/N with 95 % confidence (the rule of three); that bound is kept too.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    found = {
        "name": name,
        "trials": trials,
        "failures": failures,
        "bound_95_percent": 3 / trials if not failures else None,
        **figures,
        "version": __version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
