"""Every golden file of an eSCL job: the same requests and the same events as when it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recordings import escl

LEAST = 10


@pytest.mark.parametrize("path", escl.goldens(), ids=lambda path: path.name.partition(".")[0])
def test_a_job_gives_its_golden_output(path: Path, tmp_path: Path) -> None:
    golden = escl.read(path)
    assert {key: golden[key] for key in escl.SAYS} == escl.played(golden, tmp_path)


def test_there_are_goldens() -> None:
    assert len(escl.goldens()) >= LEAST
