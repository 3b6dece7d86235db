"""The catalogue's files: foreign packages of drivers add codes, and a damaged file is named, with its line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import ConfigError, EdgeError, Problem
from edge.messages import CatalogueError, catalogue, files, sentence
from edge.messages.telling import lines
from edge.messages.write import page
from tests.support.project import ROOT

TABLE = """\
[{code}]
who = "technician"
en.title = "the lamp is dark"
en.effect = "cards are hard to see"
en.action = "change the lamp"
zh.title = "灯不亮"
zh.effect = "看不清卡片"
zh.action = "换灯"
seen = [["lamp {{number}} is dark", "{{number}} 号灯不亮"]]
"""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a foreign package with a driver; return the folder of its messages."""
    folder = tmp_path / "acme_lamps" / "messages"
    folder.mkdir(parents=True)
    (tmp_path / "acme_lamps" / "__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    info = tmp_path / "acme_lamps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-lamps\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[hall_edge.drivers]\nlamp = acme_lamps.lamp:Lamp\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_a_foreign_package_tells_its_codes_without_being_imported(acme: Path) -> None:
    (acme / "lamp.toml").write_text(TABLE.format(code="ACM-101"), encoding="utf-8")
    assert catalogue()["ACM-101"].zh.action == "换灯"
    assert sentence("ACM-101", "lamp 3 is dark", "zh") == "3 号灯不亮"
    assert "ACM-101" in list(catalogue())
    assert "ACM-101" not in catalogue(foreign=False)


def test_a_foreign_package_does_not_say_anew_what_a_code_of_ours_means(acme: Path) -> None:
    (acme / "lamp.toml").write_text(TABLE.format(code="SER-101"), encoding="utf-8")
    assert catalogue()["SER-101"].zh.title != "灯不亮"


def test_a_damaged_file_of_a_foreign_package_is_told_and_left_out(acme: Path, caplog: pytest.LogCaptureFixture) -> None:
    (acme / "lamp.toml").write_bytes(b"[ACM-101]\n\xff\n")
    with caplog.at_level(logging.WARNING):
        assert "ACM-101" not in catalogue()
    assert "lamp.toml" in caplog.text
    assert "SER-101" in catalogue()


def test_a_damaged_table_of_a_foreign_package_hurts_nobody_else(acme: Path, caplog: pytest.LogCaptureFixture) -> None:
    (acme / "lamp.toml").write_text(TABLE.format(code="ACM-101").replace('who = "tech', 'who = "x'), encoding="utf-8")
    assert sentence("ACM-101", "lamp 3 is dark", "zh") == "lamp 3 is dark"
    assert "lamp.toml:1: Invalid enum value" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('who = "technician"', 'who = "nobody"', "Invalid enum value 'nobody'"),
        ('zh.title = "灯不亮"', "", "missing required field `title`"),
        ('zh.title = "灯不亮"', 'zh.titel = "灯不亮"', "titel"),
        ('zh.title = "灯不亮"', "zh.title = 灯不亮", "Invalid value"),
    ],
)
def test_a_damaged_table_of_ours_is_named_with_its_line(
    old: str, new: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TABLE.format(code="LMP-101") + TABLE.format(code="LMP-102").replace(old, new)
    (tmp_path / "lamps.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(files, "__file__", str(tmp_path / "files.py"))
    assert catalogue()["LMP-101"].who == "technician"
    with pytest.raises(CatalogueError, match=r"lamps\.toml:10: ") as caught:
        catalogue()["LMP-102"]
    assert says in caught.value.message


def test_a_code_that_stands_twice_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.toml").write_text(TABLE.format(code="LMP-101"), encoding="utf-8")
    (tmp_path / "two.toml").write_text("\n" + TABLE.format(code="LMP-101"), encoding="utf-8")
    monkeypatch.setattr(files, "__file__", str(tmp_path / "files.py"))
    with pytest.raises(CatalogueError, match=r"two\.toml:2: LMP-101 stands in one\.toml too"):
        catalogue()


def test_a_damaged_catalogue_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.toml").write_bytes(b"\xff")
    monkeypatch.setattr(files, "__file__", str(tmp_path / "files.py"))
    told = lines(EdgeError("the motor is hot", code="LMP-101", action="wait"), "zh")
    assert told[0] == "LMP-101: the motor is hot — wait"
    assert "one.toml" in told[1]


def test_an_error_is_told_in_both_languages() -> None:
    error = EdgeError("/dev/ttyS0 is not there", code="SER-101", action="plug it in")
    assert lines(error, "en") == ["SER-101: /dev/ttyS0 is not there — plug it in"]
    assert lines(error, "zh") == ["SER-101：/dev/ttyS0 不存在。插好设备，检查电缆和电源"]
    problem = Problem("CFG-110", 'unknown key "hal"', "correct or delete it", "hall", file="a.toml", line=3)
    assert lines(ConfigError([problem]), "zh") == [
        'a.toml:3: 没有 "hal" 这个配置项。改正或删除它（是不是 "hall"？） [CFG-110]'
    ]


def test_the_page_of_codes_is_up_to_date() -> None:
    """Else: ``make codes``."""
    assert (ROOT / "docs/codes.md").read_text(encoding="utf-8") == page(catalogue(foreign=False))


def test_a_cell_of_the_page_holds_no_mark_of_the_table() -> None:
    rows = [line for line in page(catalogue(foreign=False)).splitlines() if line.startswith("| `")]
    assert len(rows) == len(catalogue(foreign=False))
    assert {row.replace("\\|", "").count("|") for row in rows} == {6}
