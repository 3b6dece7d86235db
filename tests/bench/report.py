"""The figures as text and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.figures import BASE, COLUMNS, OURS, Row

TITLES = {
    "latency": "Latency: last byte on the line to the message at the subscriber",
    "sustained": "Sustained: codes as fast as the line takes them, first byte to last message, none lost",
    "at rest": "At rest, after load: the main process; (c) with ID-card reader, pad and gun attached",
    "start": "Start of the process to its first message at the subscriber",
    "service": "As a service: until systemd hears READY, and every process of five devices at rest",
    "pages": "Pages: A4 300 dpi colour from the simulated scanner to whole files at the back office, sealed",
    "camera": "Document camera: a 4K frame to the cut out, straightened JPEG; (b) is a bare OpenCV script",
    "card": "Card: an APDU's round trip; here (a) pyscard's connection.transmit, (b) SCardTransmit, (c) the driver",
}
_NAME, _VALUE, _RATIO, _TARGET = 44, 14, 20, 13
_OVERRUN_MS = 50


@dataclass(frozen=True)
class Result:
    """One run."""

    rows: Sequence[Row]
    machine: Mapping[str, str]
    payload_bytes: Mapping[str, int]
    other_work_percent: float
    took_s: float


def as_text(result: Result, rounds: int) -> str:
    """Return the machine and a table, a block for each section."""
    lines = [f"{name}: {text}" for name, text in result.machine.items()]
    lines.append(f"other work during the run: {result.other_work_percent:.0f} % of all cores (0 is what counts)")
    sizes = ", ".join(f"{label} {size}" for label, size in result.payload_bytes.items())
    lines += [f"payload in bytes: {sizes}"] if sizes else []
    lines.append(f"medians of {rounds} rounds in turns; (c) : (b) with its lowest and highest round")
    section = ""
    for row in result.rows:
        if row.section != section:
            section = row.section
            lines += ["", TITLES[section], _line("", [*COLUMNS.values()], "(c) : (b)", "target", "")]
        values = [_number(row.median(column)) for column in COLUMNS]
        verdict = {True: "PASS", False: "miss", None: ""}[row.verdict()]
        verdict += " (b) is overrun" if _overrun(row) else ""
        lines.append(_line(f"{row.name}, {row.unit}", values, _ratio(row), str(row.target or ""), verdict))
    return "\n".join([*lines, "", f"took {result.took_s:.0f} s"])


def as_json(result: Result) -> dict[str, Any]:
    """Return everything, every round's value included."""
    return {
        "machine": dict(result.machine),
        "other_work_percent": round(result.other_work_percent, 1),
        "payload_bytes": dict(result.payload_bytes),
        "took_s": round(result.took_s, 1),
        "columns": dict(COLUMNS),
        "rows": [
            {
                "section": row.section,
                "name": row.name,
                "unit": row.unit,
                "medians": {column: row.median(column) for column in row.values},
                "ratio": statistics.median(row.ratios()) if row.ratios() else None,
                "target": str(row.target) if row.target else None,
                "met": row.verdict(),
                "rounds": row.values,
            }
            for row in result.rows
        ],
    }


def _overrun(row: Row) -> bool:
    """Return whether (b) only queued what it was given, so that a ratio to it says little."""
    return row.name.endswith("p50") and (row.median(BASE) or 0.0) > _OVERRUN_MS


def _ratio(row: Row) -> str:
    ratios = row.ratios()
    if not ratios or not row.values.get(BASE) or not row.values.get(OURS):
        return ""
    spread = f" ({min(ratios):.2f}-{max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{spread}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _line(name: str, values: Sequence[str], ratio: str, target: str, verdict: str) -> str:
    cells = [name.ljust(_NAME), *(value.rjust(_VALUE) for value in values), ratio.rjust(_RATIO)]
    return "".join([*cells, "  ", target.ljust(_TARGET), verdict]).rstrip()
