"""Run this machine's programs."""

from __future__ import annotations

import subprocess
from pathlib import Path


def run(*command: str | Path, folder: Path | None = None) -> None:
    """Run a program; ``AssertionError`` with what it said when it fails."""
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout.decode(errors='replace')}"
