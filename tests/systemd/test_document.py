"""docs/administrator.md, "Security posture": its figures are systemd's, and its drop-ins are understood."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from drivers._serial_ports import BRIDGES
from tests.support.project import ROOT
from tests.systemd.unit import FOLDER, SERVICES, exposure, installed, verified

TEXT = (
    (ROOT / "docs/administrator.md")
    .read_text(encoding="utf-8")
    .partition("## Security posture\n")[2]
    .partition("\n## ")[0]
)
DROP_INS = re.findall(r"```text\n(\[Service\]\n.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("name", SERVICES)
def test_the_figures_are_systemds(name: str) -> None:
    row = re.search(rf"(?m)^\| `{name}` \|[^|]*\| ([\d.]+) \|", TEXT)
    assert row is not None
    assert float(row[1]) == exposure(FOLDER / name)[0]


def test_the_drop_ins_are_understood(tmp_path: Path) -> None:
    assert len(DROP_INS) == 2
    installed(tmp_path)
    folder = tmp_path / "etc/systemd/system/hall-edge.service.d"
    folder.mkdir(parents=True)
    for number, text in enumerate(DROP_INS):
        (folder / f"{number}.conf").write_text(text, encoding="utf-8")
    assert verified(tmp_path, "hall-edge.service") == (0, "")


def test_what_asking_for_the_time_costs_is_told(tmp_path: Path) -> None:
    (text,) = [one for one in DROP_INS if "adjtimex" in one]
    unit = tmp_path / "hall-edge.service"
    shutil.copy(FOLDER / unit.name, unit)
    with unit.open("a", encoding="utf-8") as file:  # as systemd reads a drop-in: after the unit
        file.write(text)
    (told,) = re.findall(r"let it ask \(figure ([\d.]+)\)", TEXT)
    assert float(told) == exposure(unit)[0]


def test_the_devices_that_are_given_are_named() -> None:
    assert [chip for chip in BRIDGES.values() if chip.removesuffix("GC") not in TEXT] == []
