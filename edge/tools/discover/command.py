"""The verb itself: look, ask the drivers, print."""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from edge.config import Config, load
from edge.config.credentials import Lookup, granted
from edge.driver import Driver
from edge.errors import ConfigError
from edge.plugging.sysfs import scan
from edge.registry import Registry
from edge.tools.discover import output
from edge.tools.discover.searching import search, searchers
from edge.tools.discover.texts import language
from edge.tools.discover.things import Drivers, Findings, Note, find
from edge.tools.files import DEFAULT_CONFIG

EXIT_CONFIG = 5
_WAIT_S = (3.0, 8.0)  # and with --network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge discover``."""
    parser.add_argument("--config", "-c", metavar="FILE", help=f"mark what it configures (default: {DEFAULT_CONFIG})")
    parser.add_argument("--network", action="store_true", help="search the network too, and wait longer")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--lang", choices=("zh", "en"), default=language(), help="default: the locale, else zh")


def run(chosen: argparse.Namespace) -> int:
    """Print what is plugged in; 0, or 5 when the configuration named by ``--config`` is not valid."""
    findings = Findings()
    config = _configuration(chosen.config, findings)

    def tell(note: Note) -> None:
        print(output.note_text(note, chosen.lang), file=sys.stderr)  # noqa: T201

    found = look(config, findings, tell, network=chosen.network)
    if chosen.json:
        text = output.as_json(found)
    else:
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        text = "\n".join(output.lines(found, chosen.lang, platform.node(), now))
    sys.stdout.write(text + "\n")
    return EXIT_CONFIG if chosen.config and config is None else 0


def look(config: Config | None, findings: Findings, tell: Callable[[Note], None], *, network: bool = False) -> Findings:
    """Return what is plugged in, and with *network* what drivers find there; *config* says what is known of it.

    *findings* holds the notes so far; *tell* hears which driver searches now.
    """
    allowed = config.window.allow_drivers if config else ()
    drivers = _drivers(Registry(allowed), findings)
    names, slow = searchers(drivers, network=network), searchers(drivers, network=True)
    findings.notes += [Note("not-searched", name) for name in slow if name not in names]
    for name in names:
        tell(Note("searching", name))
    searched, notes = asyncio.run(search(names, _WAIT_S[network], allowed))
    found = find(scan(), searched, drivers, config.devices if config else ())
    found.notes[:0] = findings.notes + notes
    return found


def _configuration(path: str | None, findings: Findings) -> Config | None:
    """Return the configuration, if there is a valid one; a missing one that nobody named is no matter."""
    if path is None and not Path(DEFAULT_CONFIG).exists():
        return None
    try:
        return load(path or DEFAULT_CONFIG, lookup=Lookup(granted()))
    except (ConfigError, PermissionError) as error:
        code = error.code if isinstance(error, ConfigError) else "CFG-101"
        findings.notes.append(Note("no-config", path or DEFAULT_CONFIG, code))
        return None


def _drivers(registry: Registry, findings: Findings) -> Drivers:
    """Load every driver whose packages are installed."""
    drivers: dict[str, type[Driver]] = {}
    for name in registry.names():
        try:
            drivers[name] = registry.load(name)
        except ConfigError as error:
            code = error.problems[0].code
            kind = "missing" if code == "CFG-122" else "broken-driver"
            findings.notes.append(Note(kind, name, code))
    return drivers
