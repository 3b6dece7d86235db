"""A program that polls a driver in a process of its own, for tests that stop or kill the program itself.

python -m tests.core.process_host ASKED  prints the driver's process id, then a dot a poll, and the error at the end.
The driver does the deed that stands in the file ASKED, when there is one.
"""

from __future__ import annotations

import sys

from edge.errors import EdgeError
from edge.lanes.process import RemoteDriver
from tests.core.drivers_rig import port_at
from tests.core.process_drivers import DollSettings, Patient


def main(asked: str) -> None:
    driver = RemoteDriver(Patient, DollSettings(asked=asked), port_at())
    driver.open()
    say = sys.stdout.write
    say(f"{driver.pid}\n")
    try:
        while True:
            sys.stdout.flush()
            list(driver.poll(0.2))
            say(".")
    except EdgeError as error:
        say(f"\n{error}\n")
    finally:
        driver.close()


if __name__ == "__main__":
    main(sys.argv[1])
