"""Golden files of eSCL jobs: what the scanner was asked, and what events came of it.

``python -m tests.recordings.escl`` writes them anew, each from the scenario that stands in it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from edge.events import revealed
from tests.drivers.escl_rig import rig

FOLDER = Path(__file__).with_name("scanner_escl")
SAYS = ("requests", "events", "error", "reports")


def goldens() -> list[Path]:
    """Return the golden files."""
    return sorted(FOLDER.glob("*.golden.json"))


def read(path: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return golden


def played(scenario: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a scenario comes to: ``requests``, ``events`` without their blobs, ``error``, ``reports``."""
    with rig(folder, scenario.get("settings", {}), **scenario.get("scanner", {})) as one:
        for line in scenario.get("do", []):
            one.do(line)
        outcome = one.scan(**scenario.get("scan", {}))
        requests = one.requests
    events = []
    for event in outcome.events:
        told = revealed(event)
        blob = told.pop("blob", None)
        events.append({"type": event.type, **told, **({"media_type": blob["media_type"]} if blob else {})})
    return {"requests": requests, "events": events, "error": outcome.code, "reports": outcome.reports}


def write() -> None:
    """Play every scenario, and write down what came of it."""
    for path in goldens():
        scenario = {key: value for key, value in read(path).items() if key not in SAYS}
        with tempfile.TemporaryDirectory() as folder:
            told = {**scenario, **played(scenario, Path(folder))}
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
