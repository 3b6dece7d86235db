"""What a bundle holds, by name: only what stands here, each made of what is known to say nothing about a person."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from edge.errors import ConfigError, EdgeError
from edge.machine import this_machine
from edge.tools.ask import answers
from edge.tools.bundle import system
from edge.tools.bundle.mask import keyed, masked_config, masked_text
from edge.tools.bundle.system import Unread

_LINES = 2000
_STATUS_S = 10.0
_MB = 1_000_000
_STORE = ("outbox.db", "outbox.db-wal", "blobs", "units.json", "stalled.txt")


class Wanted(NamedTuple):
    """Where to look."""

    config: Path
    run_dir: str
    unit: str = system.UNITS[0]
    since: str | None = None
    log: Path | None = None


class Gathered(NamedTuple):
    """The files, and why others are not there."""

    files: dict[str, bytes]
    unread: dict[str, str]


def gather(wanted: Wanted, without: tuple[str, ...] = (), tell: Callable[[str], None] = lambda _: None) -> Gathered:
    """Gather all files but those called one of *without*; *tell* hears the name of each."""
    gathered = Gathered({}, {})
    for name, make in sources(wanted).items():
        if name in without:
            continue
        tell(name)
        try:
            said = make()
            data = said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else _json(said)
        except Exception as error:  # noqa: BLE001  # a bundle is made where things are broken: it tells what it lacks
            gathered.unread[name] = _why(error)
        else:
            gathered.files[name] = data
    return gathered


def sources(wanted: Wanted) -> Mapping[str, Callable[[], Any]]:
    """Return what makes each file."""
    part = functools.partial
    log = (
        part(system.last_lines, wanted.log, _LINES)
        if wanted.log
        else part(system.journal, wanted.unit, _LINES, wanted.since)
    )
    return {
        "versions.json": system.versions,
        "config.toml": part(_config, wanted),
        "config-problems.json": part(_problems, wanted),
        "status.json": part(_status, wanted),
        "selftest.json": part(system.selftest, str(wanted.config), wanted.run_dir),
        "devices.json": part(_devices, wanted),
        "certificates.json": part(_certificates, wanted),
        "store.json": part(_store, wanted),
        "machine.json": part(_machine, wanted),
        "units.txt": system.units,
        "log.txt": log,
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _why(error: Exception) -> str:
    """Return why something was not read: no path, no content."""
    if isinstance(error, EdgeError):
        return f"{error.code}: {error.message}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, Unread) else type(error).__name__


def _digest() -> Callable[[str], str]:
    return keyed(this_machine().id)


def _config(wanted: Wanted) -> str:
    try:
        return masked_config(wanted.config.read_text(encoding="utf-8"), _digest())
    except ValueError:
        raise Unread("it is no TOML: hall-edge check says where") from None


def _document(wanted: Wanted) -> dict[str, Any]:
    """Return the configuration as it stands in the file; raises ``OSError`` or :class:`Unread`."""
    import tomllib

    try:
        return tomllib.loads(wanted.config.read_text(encoding="utf-8"))
    except ValueError:
        raise Unread("the configuration is no TOML") from None


def _problems(wanted: Wanted) -> list[dict[str, Any]]:
    """Return what is wrong with the configuration: codes and places, no values."""
    from edge.config import load
    from edge.config.credentials import Lookup, granted

    try:
        found = load(wanted.config, lookup=Lookup(granted())).warnings
    except ConfigError as error:
        found = error.problems
    return [{"code": one.code, "line": one.line, "key": one.key} for one in found]


def _status(wanted: Wanted) -> dict[str, Any]:
    try:
        return next(answers(wanted.run_dir, "status", _STATUS_S))
    except (TimeoutError, StopIteration):
        raise Unread("the daemon does not answer") from None


def _devices(wanted: Wanted) -> dict[str, Any]:
    """Return what is plugged in; serial numbers only as digests."""
    from edge.config import load
    from edge.config.credentials import Lookup, granted
    from edge.tools.discover.command import look
    from edge.tools.discover.output import as_json
    from edge.tools.discover.things import Findings

    digest = _digest()
    try:
        config = load(wanted.config, lookup=Lookup(granted()))
    except ConfigError:
        config = None
    found: dict[str, Any] = json.loads(as_json(look(config, Findings(), lambda _note: None)))
    del found["config"]
    for thing in found["things"]:
        thing["serial"] = digest(thing["serial"]) if thing["serial"] else None
        for proposal in thing["proposals"]:
            proposal["address"] = masked_text(proposal["address"], digest)
            proposal["settings"] = sorted(proposal["settings"])
    return found


def _certificates(wanted: Wanted) -> dict[str, Any]:
    """Return how long the certificates are good; neither their files nor whom they name."""
    from edge.delivery.certificates import parse_certificate

    told: dict[str, Any] = {}
    mqtt = _document(wanted).get("mqtt", {})
    for key in ("ca", "certificate"):
        if not isinstance(path := mqtt.get(key), str):
            continue
        try:
            ends = parse_certificate(Path(path).read_bytes()).ends
        except (OSError, ValueError) as error:
            told[key] = {"not read": error.strerror if isinstance(error, OSError) else "no certificate"}
        else:
            told[key] = {"ends": datetime.fromtimestamp(ends, UTC).isoformat(timespec="seconds")}
    return told


def _folders(wanted: Wanted) -> tuple[Path, Path]:
    """Return the folders of the state and of the run."""
    try:
        paths = _document(wanted).get("paths", {})
    except (OSError, Unread):
        paths = {}
    return Path(paths.get("state") or "/var/lib/hall-edge"), Path(wanted.run_dir)


def _store(wanted: Wanted) -> dict[str, Any]:
    """Return how much is stored; never what."""
    state, _ = _folders(wanted)
    told = dict(_sizes(state))
    if not told:
        readable = not state.exists() or os.access(state, os.R_OK | os.X_OK)
        raise Unread("there is no store" if readable else "no permission")
    return told


def _sizes(state: Path) -> Iterator[tuple[str, Any]]:
    for name in _STORE:
        path = state / name
        if path.is_dir():
            files = [one for one in path.rglob("*") if one.is_file()]
            yield name, {"files": len(files), "mb": round(sum(one.stat().st_size for one in files) / _MB, 3)}
        elif path.exists():
            yield name, {"mb": round(path.stat().st_size / _MB, 3)}


def _machine(wanted: Wanted) -> dict[str, Any]:
    state, _ = _folders(wanted)
    return system.machine((Path("/"), state))
