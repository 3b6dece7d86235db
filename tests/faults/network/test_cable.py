"""A network cable that is pulled (N4, N5): the kernel gets no answer to its packets, which no proxy can show."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.faults.network.test_silent import NOTICED_S
from tests.support.project import ROOT

NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]


def allowed() -> bool:
    """Whether this kernel lets a user have a network of its own."""
    try:
        return subprocess.run([*NAMESPACE, "ip", "link"], capture_output=True, timeout=10, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_pulled_cable_is_noticed_and_nothing_is_lost() -> None:
    """In a network namespace, whose loopback goes down for 10 s: real TCP without a peer, and without root."""
    if not allowed():
        pytest.skip("this kernel gives users no network namespaces")
    command = [*NAMESPACE, sys.executable, "-W", "error", "-m", "tests.faults.network.pulled"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["noticed_s"] <= NOTICED_S
    assert told["code"] in ("MQT-101", "MQT-104")
    assert told["got"] == ["1", "2", "3"]
    assert told["back_s"] <= 7.0  # 5 s, and a busy machine
