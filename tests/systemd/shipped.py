"""The drivers that are shipped."""

from __future__ import annotations

from typing import Literal

from edge.driver import Driver
from edge.needs import Needs
from edge.registry import Registry

REGISTRY = Registry()
ALL: dict[str, type[Driver]] = {name: REGISTRY.load(name) for name in REGISTRY.names()}


def driver(needs: Needs, lane: Literal["thread", "process"] = "thread", memory_mb: int = 512) -> type[Driver]:
    """Return a driver with other needs."""
    return type("Acme", (ALL["code_serial"],), {"needs": needs, "lane": lane, "memory_mb": memory_mb})
