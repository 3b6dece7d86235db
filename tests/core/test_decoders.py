"""Several threads may decode the first message of a type at the same moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.decoders import json_decoder, msgpack_decoder
from edge.lanes.channel import Told

TOGETHER = """
import sys, threading
sys.setswitchinterval(1e-6)
from edge.lanes import channel

data = channel.encode(channel.Told(beats=1, proof_age_s=None, simulated=False))
go = threading.Barrier(8)

def first():
    go.wait()
    assert channel.decode(data, channel.Told).beats == 1

threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("trial", range(6))  # half of them crashed
def test_threads_that_meet_at_a_new_type_do_not_crash(trial: int) -> None:
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, (trial, done.stderr[-300:])


def test_a_decoder_is_made_once() -> None:
    assert msgpack_decoder(Told) is msgpack_decoder(Told)
    assert json_decoder(Told) is json_decoder(Told)
    assert json_decoder(dict[str, int]).decode(b'{"a": 1}') == {"a": 1}
