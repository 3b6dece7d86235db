"""docs/vm-lab.md: it names every part of the lab, every device, and what `make vm-test` takes."""

from __future__ import annotations

import re

import pytest

from tests.support.project import ROOT
from tests.vm.devices import INIT

DOCUMENT = (ROOT / "docs" / "vm-lab.md").read_text(encoding="utf-8")


def test_every_part_is_described_and_no_other() -> None:
    parts = {path.name for path in (ROOT / "tests" / "vm").glob("test_*.py")}
    assert set(re.findall(r"^\| `(test_\w+\.py)`", DOCUMENT, re.MULTILINE)) == parts


def test_every_device_is_described() -> None:
    rows = re.findall(r"^\| (`[\w-]+-\d`(?:, `[\w-]+-\d`)*) \|", DOCUMENT, re.MULTILINE)
    assert {name for row in rows for name in re.findall("`(.*?)`", row)} == INIT.keys()


def test_its_commands_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.split("\nvm-test:")[1].split("\n\n")[0]
    for variable in re.findall(r"\b([A-Z_]+)=", DOCUMENT.split("```sh")[1].split("```")[0]):
        assert f"$({variable})" in recipe, variable


def test_the_lab_is_no_part_of_make_test(request: pytest.FixtureRequest) -> None:
    """Without --vm nothing of it is collected."""
    collected = {item.path for item in request.session.items}
    assert not [path for path in collected if path.is_relative_to(ROOT / "tests" / "vm")]
