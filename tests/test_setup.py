"""setup.sh on invented machines: the real script and shell, with stand-ins for Python, apt-get and sudo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.project import ROOT

TOOLS = ("cat", "cp", "cut", "dirname", "env", "flock", "mkdir", "mktemp", "rm", "sha256sum", "sh", "tail")
PARTNERS = ("mosquitto", "pcscd", "gcc", "scanimage", "umockdev-run")

PYTHON = """
case $* in
    *smartcard*|*pcsclite*) [ -z "${NO_CARDS-}" ] || exit 1 ;;
    -c*) [ -z "${NO_VENV-}" ] && echo "$BIN/python3" ;;
    -ISc*) echo 3.11 ;;
    "-m venv"*) mkdir -p .venv/bin .venv/lib/python3.11 && cp "$BIN/python3" .venv/bin/python ;;
    "-m pip"*) [ -z "${NO_NETWORK-}" ] || { echo "no route to the index"; exit 1; } ;;
esac
"""

APT = """
[ "$1" = update ] && exit
for name in "$@"; do
    case $name in
        python3) cp "$STOCK/python3" "$BIN/python3" ;;
        mosquitto|pcscd|gcc) cp "$STOCK/id" "$BIN/$name" ;;
        sane-utils) cp "$STOCK/id" "$BIN/scanimage" ;;
        umockdev) cp "$STOCK/id" "$BIN/umockdev-run" ;;
    esac
done
"""


class Machine:
    """A checkout and a PATH on which only what a test puts there can be found."""

    def __init__(self, folder: Path) -> None:
        self.project, self.bin, self.stock = folder / "project", folder / "bin", folder / "stock"
        self.calls_path = folder / "calls"
        for made in (self.project, self.bin, self.stock):
            made.mkdir()
        for name in ("setup.sh", "pyproject.toml"):
            shutil.copy(ROOT / name, self.project)
        shutil.copytree(ROOT / "requirements", self.project / "requirements")
        for name in TOOLS:
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.add("id", "echo ${USER_ID:-1000}")
        for name, script in (("python3", PYTHON), ("apt-get", APT), ("sudo", "exit 1"), ("id", "")):
            self._script(self.stock / name, script)

    def add(self, name: str, script: str | None = None) -> None:
        """Put a program on the PATH: a script, or the one that waits in the stock."""
        if script is None:
            shutil.copy(self.stock / name, self.bin)
        else:
            self._script(self.bin / name, script)

    def add_partners(self) -> None:
        """Install what the tests talk to."""
        for name in PARTNERS:
            self.add(name, "")

    def _script(self, path: Path, script: str) -> None:
        path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"$CALLS"\n{script}\n', encoding="utf-8")
        path.chmod(0o755)

    def setup(self, mode: str, **extra: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": str(self.bin),
            "SBIN": str(self.stock / "nothing"),
            "BIN": str(self.bin),
            "STOCK": str(self.stock),
            "CALLS": str(self.calls_path),
            "TMPDIR": str(self.stock),
            **extra,
        }
        self.calls_path.write_text("", encoding="utf-8")
        command = [shutil.which("sh") or "sh", str(self.project / "setup.sh"), mode]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=20)

    def calls(self, start: str) -> list[str]:
        """Return the calls of the last run that begin so."""
        return [line for line in self.calls_path.read_text("utf-8").splitlines() if line.startswith(start)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """Lend a machine that has everything, with `setup.sh test` behind it."""
    machine.add("python3")
    machine.add_partners()
    done = machine.setup("test")
    assert done.returncode == 0, done.stderr
    return machine


def test_a_run_says_one_line_a_step_and_checks_the_hashes(machine: Machine) -> None:
    machine.add("python3")
    done = machine.setup("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1] for line in done.stdout.splitlines()] == [".venv", "packages", "hall-edge"]
    lock, own = machine.calls("python3 -m pip")
    assert "--require-hashes" in lock
    assert lock.endswith("-r requirements/demo.txt")
    assert own.endswith("--no-deps --no-build-isolation -e .")


def test_a_second_run_does_nothing_and_is_quick(ready: Machine) -> None:
    durations_s = []
    for mode in ("test", "demo", "test"):  # what the tests need holds what the demo needs
        start = time.monotonic()
        done = ready.setup(mode)
        durations_s.append(time.monotonic() - start)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert not ready.calls("python3 -m")
    assert min(durations_s) < 0.3


def test_a_new_lock_builds_the_environment_anew(ready: Machine) -> None:
    with (ready.project / "requirements" / "dev.txt").open("a") as lock:
        lock.write("# changed\n")
    leftover = ready.project / ".venv" / "leftover"
    leftover.touch()
    assert ready.setup("test").returncode == 0
    assert not leftover.exists()
    assert len(ready.calls("python3 -m pip")) == 2


def test_a_new_pyproject_installs_only_hall_edge_again(ready: Machine) -> None:
    with (ready.project / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    assert ready.setup("test").returncode == 0
    assert [call.rpartition(" ")[2] for call in ready.calls("python3 -m")] == ["."]


def test_the_demo_environment_is_extended_for_the_tests(machine: Machine) -> None:
    machine.add("python3")
    machine.add_partners()
    machine.setup("demo")
    assert machine.setup("test").returncode == 0
    assert [call.rpartition(" ")[2] for call in machine.calls("python3 -m")] == ["requirements/dev.txt"]


def test_a_half_made_environment_is_built_anew(machine: Machine) -> None:
    machine.add("python3")
    done = machine.setup("demo", NO_NETWORK="1")
    assert done.returncode == 1
    assert "no route to the index" in done.stderr
    leftover = machine.project / ".venv" / "leftover"
    leftover.touch()
    assert machine.setup("demo").returncode == 0
    assert not leftover.exists()


def test_an_environment_of_an_upgraded_python_is_built_anew(ready: Machine) -> None:
    (ready.project / ".venv" / "lib" / "python3.11").rename(ready.project / ".venv" / "lib" / "python3.10")
    assert ready.setup("test").stdout.startswith("setup: .venv with ")


def test_without_python_it_says_what_to_install(machine: Machine) -> None:
    done = machine.setup("demo")
    assert done.returncode == 1
    assert done.stderr == (
        "setup: missing Python 3.11 or newer with venv; "
        "as root: apt-get install --no-install-recommends python3 python3-venv\n"
    )


def test_a_python_without_venv_counts_as_missing(machine: Machine) -> None:
    machine.add("python3")
    assert "missing Python" in machine.setup("demo", NO_VENV="1").stderr


def test_without_its_partners_the_demo_is_ready_and_the_tests_say_so(machine: Machine) -> None:
    machine.add("python3")
    assert machine.setup("demo").returncode == 0
    machine.add_partners()
    (machine.bin / "pcscd").unlink()
    done = machine.setup("test")
    assert done.returncode == 1
    assert done.stderr == (
        "setup: missing what the tests talk to (the demo does without); "
        "as root: apt-get install --no-install-recommends pcscd\n"
    )
    assert machine.setup("demo").stdout == ""


def test_without_smart_cards_the_demo_is_ready_and_says_so(machine: Machine) -> None:
    machine.add("python3")
    done = machine.setup("demo", NO_CARDS="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the demo goes without smart cards" in done.stdout


def test_root_gets_the_debian_packages(machine: Machine) -> None:
    machine.add("apt-get")
    done = machine.setup("test", USER_ID="0")
    assert (done.returncode, done.stderr) == (0, "")
    python, partners = machine.calls("apt-get install")
    assert "--no-install-recommends" in python
    assert python.endswith(" python3 python3-venv")
    assert {"mosquitto", "pcscd", "sane-utils", "umockdev", "gcc"} <= set(partners.split())


@pytest.mark.parametrize("allowed", [True, False])
def test_sudo_is_used_only_where_it_asks_no_password(machine: Machine, allowed: bool) -> None:
    machine.add("apt-get")
    machine.add("true", "")
    machine.add("sudo", 'shift; "$@"' if allowed else "exit 1")
    assert machine.setup("test").returncode == (0 if allowed else 1)
    assert all(call.startswith("sudo -n ") for call in machine.calls("sudo"))
    assert bool(machine.calls("apt-get install")) is allowed


def test_the_demo_installs_no_broker(machine: Machine) -> None:
    machine.add("python3")
    machine.add("apt-get")
    assert machine.setup("demo", USER_ID="0").returncode == 0
    assert not machine.calls("apt-get")


def test_no_temporary_file_is_left(machine: Machine) -> None:
    machine.add("python3")
    before = set(machine.stock.iterdir())
    machine.setup("demo")
    assert set(machine.stock.iterdir()) == before


def test_ci_runs_what_a_developer_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = sorted(re.findall(r"^make [a-z-]+", script.read_text(encoding="utf-8"), re.MULTILINE))
    assert commands == ["make package-test", "make test"]
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"```sh\n{command}\n```" in told for command in commands)
