"""What takes long and needs no chroot: a second build in another place, and lintian; on the second core."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.package.made import BUILD, Made
from tests.package.programs import run
from tests.support.project import ROOT

COPIED = ("pyproject.toml", "README.md", "DECISIONS.md", "edge", "drivers", "simulators", "systemd", "docs",
          "requirements", "debian")  # fmt: skip


class Beside:
    """A context manager: starts both, and ends what nobody waited for."""

    def __init__(self, made: Made) -> None:
        self._made = made
        self._elsewhere = BUILD / "another-place"

    def __enter__(self) -> Self:
        shutil.rmtree(self._elsewhere, ignore_errors=True)
        self._elsewhere.mkdir()
        run("cp", "-R", *COPIED, self._elsewhere, folder=ROOT)
        self._build = self._start("build", "umask 077 && exec sh debian/build deb", self._elsewhere)
        lintian = f"exec lintian --no-cfg --allow-root --fail-on error {shlex.quote(str(self._made.deb))}"
        self._lint = self._start("lintian", lintian, ROOT)
        return self

    def _start(self, name: str, command: str, folder: Path) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "TZ": "Asia/Shanghai", "LC_ALL": "C.UTF-8"}
        with (BUILD / f"{name}.log").open("wb") as log:  # not a pipe: what they start could hold that open
            return subprocess.Popen(
                shlex.split(f"nice sh -c {shlex.quote(command)}"), cwd=folder, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def __exit__(self, *_error: object) -> None:
        for process in (self._build, self._lint):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self._elsewhere)

    def second_build(self) -> Path:
        """Return the package that was built in the other place."""
        assert self._build.wait() == 0, (BUILD / "build.log").read_text(errors="replace")
        return self._elsewhere / "dist" / self._made.deb.name

    def lintian(self) -> tuple[int, str]:
        """Return lintian's exit code and what it said."""
        return self._lint.wait(), (BUILD / "lintian.log").read_text(errors="replace")
