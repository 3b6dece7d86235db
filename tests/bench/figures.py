"""Figures: what a row of the tables holds, and when it reaches its target."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

COLUMNS: Mapping[str, str] = {"a": "(a) memory", "b": "(b) +sqlite", "c": "(c) hall-edge"}
BASE, OURS = "b", "c"


@dataclass(frozen=True)
class Target:
    """What (c) should reach: a value, or with *ratio* a multiple of (b)'s."""

    limit: float
    ratio: bool = False
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Return whether *value* is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{' × (b)' if self.ratio else ''}"


@dataclass(frozen=True)
class Row:
    """One figure: its values by column, one a round."""

    section: str
    name: str
    unit: str
    target: Target | None = None
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, column: str, value: float) -> None:
        """Take the value of a round."""
        self.values.setdefault(column, []).append(value)

    def median(self, column: str) -> float | None:
        """Return the figure of a column, ``None`` when it has none."""
        return statistics.median(self.values[column]) if self.values.get(column) else None

    def ratios(self) -> list[float]:
        """Return (c) : (b) of every round: a machine that is slow for a while slows both."""
        pairs = zip(self.values.get(BASE, ()), self.values.get(OURS, ()), strict=False)
        return [ours / base for base, ours in pairs if base]

    def verdict(self) -> bool | None:
        """Return whether (c) reaches its target; ``None`` where there is nothing to reach."""
        if self.target is None or not self.values.get(OURS):
            return None
        reached = self.ratios() if self.target.ratio else self.values[OURS]
        return self.target.met(statistics.median(reached)) if reached else None


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of *values* that *percent* of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
