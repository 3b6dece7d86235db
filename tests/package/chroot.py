"""A minimal Debian 12 in a folder: mmdebstrap makes it once a week, each test module gets a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.package.made import BUILD
from tests.package.programs import run
from tests.support.project import ROOT

WEEK_S = 7 * 24 * 3600
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
# Mounts of its own, which nobody else sees and which end with the last process in it.
ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'


def base() -> Path:
    """Return the archive of a fresh minimal Debian 12, made from the sources of this machine's apt; root only."""
    if os.geteuid() != 0:
        raise SystemExit("a chroot needs root: run `sudo make package-test`")
    BUILD.mkdir(parents=True, exist_ok=True)
    archive = BUILD / "base.tar"
    if archive.exists() and time.time() - archive.stat().st_mtime < WEEK_S:
        return archive
    apt = BUILD / "apt"
    shutil.rmtree(apt, ignore_errors=True)
    run("sh", ROOT / "debian/private-apt", apt, "--version")
    new = archive.with_name("new.tar")
    run("mmdebstrap", "--quiet", "--variant=minbase", "bookworm", new, apt / "sources.list")
    return new.rename(archive)


class Chroot:
    """A context manager; ``root`` is the folder. Programs in it see this machine's devices and loopback network."""

    def __init__(self, archive: Path, root: Path) -> None:
        self.root = root
        self._archive = archive

    def __enter__(self) -> Self:
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        # devices come from this machine, see ENTER
        run("tar", "-C", self.root, "--exclude=./dev/*", "-xpf", self._archive)
        self.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)  # start no service
        self.write("etc/dpkg/dpkg.cfg.d/quick", "force-unsafe-io\n")  # nobody cuts the power here
        return self

    def __exit__(self, *_error: object) -> None:
        shutil.rmtree(self.root)

    def path(self, name: str) -> Path:
        """Return where a path of the chroot is on this machine."""
        return self.root / name.lstrip("/")

    def write(self, name: str, text: str, *, mode: int = 0o644) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text, encoding="utf-8")
        self.path(name).chmod(mode)

    def bring(self, source: Path, name: str) -> None:
        """Put a file or a folder into the chroot, as links where that can be."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        run("cp", "-al", source, self.path(name))

    def command(self, command: Sequence[str], *, user: str = "", offline: bool = False) -> list[str]:
        """Return what runs *command* in here, as that user; *offline*: without any network."""
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        spaces = ["unshare", "--mount", *(["--net"] if offline else [])]
        return [*spaces, "sh", "-c", ENTER, str(self.root), *as_user, *command]

    def run(self, command: str, *, user: str = "", code: int = 0, offline: bool = False) -> str:
        """Run a shell's *command* and return what it printed; ``AssertionError`` with that when it ends otherwise."""
        done = subprocess.run(
            self.command(["sh", "-c", command], user=user, offline=offline),
            check=False, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said = done.stdout.decode(errors="replace")
        assert done.returncode == code, f"{command}: exit code {done.returncode}\n{said}"
        return said

    @contextmanager
    def running(self, command: Sequence[str], log: Path, *, user: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Run a program until the block ends; SIGTERM ends it, within 10 s."""
        with log.open("wb") as out:
            process = subprocess.Popen(
                self.command(command, user=user), env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=out, stderr=out
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()
                process.wait()
                assert process.stdin is not None
                process.stdin.close()

    def entries(self) -> dict[str, str]:
        """Return every path with its mode and owner, without what dpkg and apt keep for themselves."""
        own = (
            "var/cache/",
            "var/lib/dpkg/",
            "var/lib/apt/",
            "var/log/",
            "var/backups/",
            "tmp/",
            "srv/",
            "dev/",
            "proc/",
        )
        listed: dict[str, str] = {}
        for folder, folders, files in os.walk(self.root):
            for name in (*folders, *files):
                path = Path(folder, name)
                inside = str(path.relative_to(self.root))
                if not inside.startswith(own):
                    status = path.lstat()
                    listed[inside] = f"{status.st_mode:o} {status.st_uid}:{status.st_gid}"
        return listed


if __name__ == "__main__":
    base()
