"""What the drivers need, told to systemd and udev: for the shipped drivers, a foreign one, and a device's role."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.driver import Driver
from edge.errors import ConfigError
from edge.plugging.sysfs import scan
from edge.registry import Registry
from edge.tools.units.files import differing
from edge.tools.units.foreign import drop_in
from edge.tools.units.roles import role_rule

EXIT_FAILED, EXIT_CONFIG = 1, 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or print; 5 when a driver cannot be loaded, 1 when a device cannot be named."""
    parser = argparse.ArgumentParser(prog="python -m edge.tools.units", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    write = verbs.add_parser("write", help="write the generated parts of the files in FOLDER")
    write.add_argument("folder", type=Path, metavar="FOLDER")
    write.set_defaults(run=_write)
    print_it = verbs.add_parser("drop-in", help="print what systemd and udev must be told for a foreign driver")
    print_it.add_argument("driver")
    print_it.add_argument("--package", metavar="NAME", action="append", default=[], help="the package that offers it")
    print_it.set_defaults(run=_drop_in)
    role = verbs.add_parser("role", help="print a udev rule that gives a node to the daemon, as /dev/hall-edge/ROLE")
    role.add_argument("role", metavar="ROLE")
    role.add_argument("node", metavar="NODE", help="as it is called now: /dev/ttyUSB0, /dev/input/event5")
    role.set_defaults(run=_role)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG
    except ValueError as error:
        sys.stderr.write(f"cannot be done: {error}\n")
        return EXIT_FAILED


def _write(chosen: argparse.Namespace) -> int:
    for name, new in differing(chosen.folder, _shipped()).items():
        (chosen.folder / name).write_text(new, encoding="utf-8")
        sys.stdout.write(f"written: {chosen.folder / name}\n")
    return 0


def _drop_in(chosen: argparse.Namespace) -> int:
    driver = Registry(chosen.package).load(chosen.driver)
    sys.stdout.write(drop_in(chosen.driver, driver, _shipped()) + "\n")
    return 0


def _role(chosen: argparse.Namespace) -> int:
    found = next((one for one in scan() if chosen.node in (one.node, *one.links)), None)
    if found is None:
        raise ValueError(f"{chosen.node} is not there; hall-edge discover shows what is plugged in")
    sys.stdout.write(role_rule(found, chosen.role) + "\n")
    return 0


def _shipped() -> dict[str, type[Driver]]:
    registry = Registry()
    return {name: registry.load(name) for name in registry.names()}


if __name__ == "__main__":
    sys.exit(main())
