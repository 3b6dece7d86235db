"""The files of ``systemd/``: which of their lines are generated, and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.tools.units import text
from edge.tools.units.grants import Drivers, grants, matches, network_drivers, process_drivers, services, thread_drivers

Blocks = Mapping[str, Sequence[str]]
BEGIN, END = "begin generated: ", "end generated"


def generated(drivers: Drivers) -> dict[str, Blocks]:
    """Return the generated lines of every file, by the names of their blocks."""
    daemon = grants(thread_drivers(drivers))
    process = grants(process_drivers(drivers))
    network = grants(network_drivers(drivers), devices=False)
    return {
        "hall-edge.service": {
            "unit": text.unit_lines(grants(drivers)),  # drivers' processes start later
            "devices": text.service_lines(daemon),
        },
        "hall-edge-driver@.service": {
            "devices": text.service_lines(process),
            "memory": [f"MemoryMax={process.memory_mb}M"],
        },
        "hall-edge-netdriver@.service": {"memory": [f"MemoryMax={network.memory_mb}M"]},
        "70-hall-edge.rules": {"matches": [*text.rule_lines(matches(drivers))]},
        "70-hall-edge.polkit.rules": {"actions": text.polkit_lines(services(drivers.values()))},
    }


def with_blocks(old: str, blocks: Blocks) -> str:
    """Return *old* with the lines of its *blocks* in the places of theirs; raises ``ValueError`` for a missing one."""
    lines: list[str] = []
    left, inside = dict(blocks), False
    for line in old.splitlines():
        if inside and END in line:
            inside = False
        if not inside:
            lines.append(line)
        if BEGIN in line:
            inside = True
            lines += left.pop(line.partition(BEGIN)[2].partition(",")[0].strip(), ())
    if left or inside:
        raise ValueError(f"no place for: {', '.join(left)}" if left else f"a line with {END!r} is missing")
    return "\n".join(lines) + "\n"


def differing(folder: Path, drivers: Drivers) -> dict[str, str]:
    """Return what the files should hold that are not as *drivers* need them, by their names."""
    found = {}
    for name, blocks in generated(drivers).items():
        old = (folder / name).read_text(encoding="utf-8")
        new = with_blocks(old, blocks)
        if new != old:
            found[name] = new
    return found
