"""What the technician's manual tells people to type, section by section."""

from __future__ import annotations

import re

from tests.support.project import ROOT

MANUAL = "docs/technician.md"


def section(heading: str) -> str:
    """Return the text below *heading*, up to the next one."""
    text = (ROOT / MANUAL).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{MANUAL} has no section {heading}"
    return found[1]


def commands(heading: str) -> list[str]:
    """Return the commands of the section *heading*, in order, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", section(heading), re.MULTILINE | re.DOTALL)
    return [line.partition(" #")[0].strip() for line in "".join(blocks).splitlines()]


def answers() -> list[str]:
    """Return the first three answers of the set-up: hall, window and broker."""
    return re.findall(r"^\| \d \|[^|]*\|[^`|]*`([^`]+)`", section("第一次安装"), re.MULTILINE)[:3]
