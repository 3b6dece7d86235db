"""The project's own files, for the tests that read them."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "drivers", "simulators")
NOT_OURS = {".git", ".venv", "build", "dist", "__pycache__"}


@cache
def files() -> tuple[Path, ...]:
    """Return the files of the project relative to its root: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):  # no git, or an unpacked archive
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
    else:
        found = (Path(name) for name in listed.split("\0") if name)
    return tuple(sorted(path for path in found if (ROOT / path).is_file() and not NOT_OURS & set(path.parts)))


def modules(*folders: str) -> list[Path]:
    """Return the Python files below the named top-level folders."""
    return [path for path in files() if path.suffix == ".py" and path.parts[0] in folders]


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
