"""Open a driver's device as a user who may not, and print what that raises. A process of its own, see test_open.

python -m tests.contract.nobody ENTRY NODE
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from edge.errors import DeviceError
from tests.contract.benches import find
from tests.contract.desk import line
from tests.contract.harness import HarnessPort

NOBODY = 65534


def main(name: str, node: str) -> int:
    """Drop all rights once everything is imported: nobody may not even read the project."""
    bench = find(name)
    driver = bench.made(HarnessPort(line(Path(node))))
    target = Path(node).resolve()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    assert not os.access(target, os.R_OK), "the test would prove nothing"
    try:
        driver.open()
    except DeviceError as error:
        told = {"error": type(error).__name__, "state": error.state, "message": error.message, "action": error.action}
        sys.stdout.write(json.dumps(told))
        return 0
    finally:
        driver.close()
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
