"""Sizes of papers and cards (ISO 216, ISO/IEC 7810, GB/T 148), the short side first, in millimetres."""

from __future__ import annotations

PAPERS_MM: dict[str, tuple[float, float]] = {
    "A3": (297.0, 420.0),
    "A4": (210.0, 297.0),
    "A5": (148.0, 210.0),
    "A6": (105.0, 148.0),
    "B5": (176.0, 250.0),
    "letter": (215.9, 279.4),
    "ID-1": (53.98, 85.6),
    "ID-3": (88.0, 125.0),
}
