"""The configuration: one TOML file, checked as a whole before anything starts.

:func:`load` either returns a :class:`Config` in which every value is valid, or raises ``ConfigError`` with
all mistakes at once, each with its file, line, cause and action.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from edge.config.command_rules import check_requests
from edge.config.credentials import Lookup
from edge.config.findings import CODES, Findings
from edge.config.identity import check_identity
from edge.config.keys import check_sealing
from edge.config.rules import FILES, NamedFiles, check_mqtt, read_file
from edge.config.tables import (
    Blobs,
    Config,
    Device,
    DeviceTable,
    Document,
    Log,
    Mqtt,
    Page,
    Paths,
    Sealing,
    Subscriber,
    Window,
)
from edge.config.walk import walk
from edge.errors import ConfigError, Problem, quoted
from edge.links.address import Address, parse_address, place_of
from edge.registry import Registry
from edge.toml_lines import Path, key_lines

__all__ = [
    "CODES", "Blobs", "Config", "Device", "Log", "Mqtt", "Page", "Paths", "Sealing", "Subscriber", "Window", "load",
]  # fmt: skip

_MAX_DEPTH = 16
_AS_READ = ("window", "log", "blobs", "outbox", "retention", "sealing", "page", "commands")
_SEALING = "add key to a [[subscriber]], or on a test PC lab = true to [window]"


def load(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ, lookup: Lookup | None = None) -> Config:
    """Return the configuration in the file *path*; raises :class:`ConfigError` with every mistake in it.

    *lookup* is for tools that look at it before systemd has started the daemon.
    """
    file = os.fspath(path)
    document, found = read_toml(_read(file), file)
    return build(document, found, environ, lookup)


def read_toml(text: str, file: str) -> tuple[dict[str, Any], Findings]:
    """Return what stands in *text*, and where to note what is wrong with it; raises :class:`ConfigError`."""
    try:
        document, lines = tomllib.loads(text), key_lines(text)
        if any(len(where) > _MAX_DEPTH for where in lines):
            raise RecursionError("tables in tables in tables")
    except (ValueError, RecursionError) as error:
        place = re.search(r"\(at (?:line (\d+)|end of document)", str(error))
        line = 1 if place is None else int(place[1] or text.rstrip().count("\n") + 1)
        action = "correct the line: a text stands in quotes, a table's name in brackets"
        problem = Problem("CFG-103", f"no TOML: {quoted(str(error), 120)}", action, file=file, line=line)
        raise ConfigError([problem]) from None
    return document, Findings(file, lines)


def _read(file: str) -> str:
    line, action = 0, "check its path and its rights"
    try:
        return read_file(file)[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        code, cause, action = "CFG-102", "the configuration is not UTF-8 text", "save the file as UTF-8"
    except ValueError as error:
        code, cause = "CFG-101", f"the configuration cannot be read: {error}"
        if not os.path.lexists(file):
            action = "write one with sudo hall-edge init, or check its path"
    raise ConfigError([Problem(code, cause, action, file=file, line=line)])


def build(
    document: dict[str, Any], found: Findings, environ: Mapping[str, str] = os.environ, lookup: Lookup | None = None
) -> Config:
    """Check everything that can be checked, whatever else is wrong, and then make a :class:`Config`."""
    tables: Document = walk(document, Document, (), found)
    window, mqtt, sealing = (_table(document, name) for name in ("window", "mqtt", "sealing"))
    lab = window.get("lab") is True
    files = NamedFiles(environ, found, lab=lab, lookup=lookup)
    registry = Registry(_names(window.get("allow_drivers")))
    entries = _entries(document, "device")
    devices = {where: device for where, table in entries if (device := _device(table, where, registry, found))}
    personal = [where for where, device in devices.items() if device.personal]
    check_mqtt(mqtt, files, found, lab=lab, personal=bool(personal))
    subscribers = _entries(document, "subscriber")
    check_sealing(sealing, _texts(subscribers, "key"), files, found)
    unsealed = not any("key" in table for _, table in subscribers) and (not lab or bool(sealing))
    for where in personal if unsealed else ():
        found.add(where, "CFG-144", "personal data, but no subscriber has a key to seal it to", _SEALING)
    check_identity(window, mqtt, files, found)
    check_requests(document, files, devices.values(), found)
    for named in (entries, subscribers):
        found.unique("name", "CFG-114", _texts(named, "name"))
    nodes = _texts([entry for entry in entries if entry[1].get("enabled") is not False], "address")
    found.unique("address", "CFG-134", {where: place_of(text) for where, text in nodes.items()})
    found.finish()
    return Config(
        **{name: getattr(tables, name) for name in _AS_READ},
        mqtt=replace(tables.mqtt, **{key: files.place(mqtt[key]) for key in FILES if key in mqtt}),
        paths=tables.paths.resolved(environ),
        requesters=tuple(replace(one, key=files.place(one.key)) for one in tables.requester),
        subscribers=tuple(replace(one, key=one.key and files.place(one.key)) for one in tables.subscriber),
        devices=tuple(devices.values()),
        warnings=tuple(found.warnings),
        file=found.file,
    )


def _device(table: dict[str, Any], where: Path, registry: Registry, found: Findings) -> Device | None:
    """Check one ``[[device]]``: what every device has, its address, its driver, and the driver's keys."""
    common = {key: value for key, value in table.items() if key in DeviceTable.__struct_fields__}
    own = {key: value for key, value in table.items() if key not in common}
    walk(common, DeviceTable, where, found)
    address, driver, settings, personal = Address("", "", {}), None, None, False
    try:
        if isinstance(common.get("driver"), str):
            driver = registry.load(common["driver"])
            settings = walk(own, driver.settings_type, where, found, DeviceTable.__struct_fields__)
        for key, cause in settings.problems().items() if settings else ():
            text = " ".join(f"{key}: {cause}".split())[:200]
            found.add((*where, key), "CFG-124", text, "correct the keys of this device")
        personal = settings is not None and settings.needs_sealing()
    except ConfigError as error:
        found.take((*where, "driver"), error.problems)
    except Exception as error:  # noqa: BLE001 - a driver's own check is foreign code
        cause = f"the driver's check of its settings fails: {type(error).__name__}"
        found.add((*where, "driver"), "CFG-123", cause, "call the driver's author")
    try:
        if isinstance(common.get("address"), str):
            address = parse_address(common["address"], driver.addresses if driver else None)
    except ConfigError as error:
        found.take((*where, "address"), error.problems)
    if driver is None or settings is None:
        return None
    return Device(  # with what is right of it: should anything be wrong, no Config is made
        name=common.get("name", ""),
        driver=common["driver"],
        driver_type=driver,
        address=address,
        mode=common.get("mode", "live"),
        enabled=common.get("enabled", True),
        settings=settings,
        personal=personal and common.get("enabled") is not False,
    )


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return value if isinstance(value := document.get(name), dict) else {}


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _names(value: object) -> list[str]:
    return [name for name in _items(value) if isinstance(name, str)]


def _entries(document: Mapping[str, Any], array: str) -> list[tuple[Path, dict[str, Any]]]:
    """Return the tables of *array* with their paths, whatever is in them."""
    items = enumerate(_items(document.get(array)))
    return [((array, index), table) for index, table in items if isinstance(table, dict)]


def _texts(entries: Iterable[tuple[Path, dict[str, Any]]], key: str) -> dict[Path, str]:
    return {(*where, key): table[key] for where, table in entries if isinstance(table.get(key), str)}
