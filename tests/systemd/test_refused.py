"""What the daemon asks otherwise where its unit forbids the usual way: the clock, and who is at the other end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.project import ROOT
from tests.systemd.jail import jailed
from tests.systemd.unit import FOLDER

CLOCK = """
import sys
from pathlib import Path
from edge import envelope
for name in sys.argv[1:]:
    envelope.TIMESYNCD = Path(name)
    print(name.rpartition("/")[2], envelope.ClockWatch().synced())
"""
ASKED = """
import socket, sys
from pathlib import Path
from edge.control import may_ask
path = Path(sys.argv[1])
listening = socket.socket(socket.AF_UNIX)
listening.bind(str(path))
path.chmod(0o666)
listening.listen()
print("listening", flush=True)
print(may_ask(listening.accept()[0], path), flush=True)
"""
ASKING = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
DAEMON = FOLDER / "hall-edge.service"
SOMEBODY = 65534


def test_a_time_service_is_noticed_though_the_kernel_must_not_be_asked(tmp_path: Path) -> None:
    now = time.time()
    ages = {"now": 0.0, "lately": 8 * 3600.0, "long-ago": 10 * 3600.0, "to-come": -3600.0}
    for name, age_s in ages.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now - age_s, now - age_s))
    places = [str(tmp_path / name) for name in (*ages, "never")]
    command = jailed(DAEMON, sys.executable, "-c", CLOCK, *places)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    synced = {line.split()[0] for line in done.stdout.splitlines() if line.endswith("True")}
    assert len(done.stdout.splitlines()) == len(places)
    assert synced == {"now", "lately"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
@pytest.mark.parametrize(("groups", "may"), [([0], True), ([7], False)])
def test_members_of_the_sockets_group_may_ask_though_they_have_no_names_here(groups: list[int], may: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = f"{folder}/control.sock"
        command = jailed(DAEMON, sys.executable, "-c", ASKED, path)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as daemon:
            try:
                assert daemon.stdout is not None
                assert daemon.stdout.readline() == "listening\n"
                asking = ["/usr/bin/python3", "-c", ASKING, path]  # a program that everybody may run
                subprocess.run(asking, user=SOMEBODY, group=SOMEBODY, extra_groups=groups, check=True)
                assert daemon.stdout.readline() == f"{may}\n"
            finally:
                daemon.kill()
