"""What ``make deb``, ``make bundle`` and ``make wheel`` made, and the package of the version after it."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from edge import __version__
from tests.package.programs import run
from tests.support.project import ROOT

BUILD = ROOT / "build" / "package-test"
_HOME = "usr/lib/hall-edge/lib/python3.11/site-packages"


@dataclass(frozen=True)
class Made:
    """The files under test; all of this checkout's version."""

    deb: Path
    bundle: Path
    wheel: Path

    @classmethod
    def find(cls, folder: Path) -> Made:
        """Return what lies in *folder*; ``AssertionError`` says what to run."""
        patterns = (
            f"hall-edge_{__version__}_*.deb",
            f"hall-edge-{__version__}-*.tar",
            f"hall_edge-{__version__}-*.whl",
        )
        found = [next(folder.glob(pattern), None) for pattern in patterns]
        assert all(found), f"{folder} lacks one of {', '.join(patterns)}: run `make bundle wheel`"
        return cls(*(path for path in found if path))


def next_version(deb: Path, folder: Path) -> tuple[Path, str]:
    """Return the same package as if built from a version later, and that version; packed anew, not built anew."""
    version = re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), __version__)
    tree = folder / "next"
    shutil.rmtree(tree, ignore_errors=True)
    run("dpkg-deb", "--raw-extract", deb, tree)
    _replace(tree / "DEBIAN/control", f"Version: {__version__}", f"Version: {version}")
    source = tree / _HOME / "edge/__init__.py"
    before = hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()
    _replace(source, f'__version__ = "{__version__}"', f'__version__ = "{version}"')
    after = hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()
    _replace(tree / "DEBIAN/md5sums", before, after)
    compiled = next(source.parent.glob("__pycache__/__init__.*.pyc"))  # it is of the other source
    sums = (tree / "DEBIAN/md5sums").read_text().splitlines(keepends=True)
    (tree / "DEBIAN/md5sums").write_text("".join(line for line in sums if str(compiled.relative_to(tree)) not in line))
    compiled.unlink()
    made = folder / deb.name.replace(__version__, version)
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made)
    shutil.rmtree(tree)
    return made, version


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new), encoding="utf-8")
