"""What a recording says besides its bytes: its driver, the driver's settings, its commands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import DeviceError, EdgeError
from edge.links.replay import HEAD, SETTINGS, read_recording

_CORE_KEYS = frozenset({"name", "driver", "address", "mode", "enabled"})


@dataclass(frozen=True)
class Command:
    """A command that was given while the device was recorded."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Recording:
    """One file."""

    path: Path
    driver: str
    settings: Mapping[str, Any]
    commands: tuple[Command, ...]


def read(path: Path, config: Path | None = None) -> Recording:
    """Return what *path* says; the settings are those of the same driver in *config*, if one is given.

    Raises ``EdgeError``.
    """
    try:
        steps = read_recording(path)
        lines = path.read_text(encoding="ascii").splitlines()
        driver = lines[0].removeprefix(HEAD).strip()
        settings = _settings(lines) if config is None else _configured(config, driver)
        commands = tuple(_command(step.data.decode()) for step in steps if step.sign == "$")
    except DeviceError as error:
        raise EdgeError(error.message, code=error.code, action=error.action) from error
    except ValueError as error:
        action = "compare the file with the format in docs/drivers.md"
        raise EdgeError(f"{path} is no recording that can be played", code="REP-110", action=action) from error
    if not driver:
        raise EdgeError(f"{path} does not name its driver", code="REP-110", action=f"write it behind {HEAD!r}")
    return Recording(path, driver, settings, commands)


def _settings(lines: list[str]) -> dict[str, Any]:
    """Return the settings that stand in the head of the recording; none where it has none."""
    line = next((line for line in lines if line.startswith(SETTINGS)), SETTINGS + "{}")
    settings: dict[str, Any] = json.loads(line.removeprefix(SETTINGS))
    return settings


def _configured(config: Path, driver: str) -> dict[str, Any]:
    """Return the settings of the first device with *driver* in a configuration."""
    try:
        devices = tomllib.loads(config.read_text(encoding="utf-8")).get("device", [])
    except OSError as error:
        raise EdgeError(
            f"{config}: {error.strerror}", code="FIL-101", action="check the path and its rights"
        ) from error
    device = next((one for one in devices if one.get("driver") == driver), None)
    if device is None:
        raise EdgeError(f"{config} has no device with the driver {driver}", code="REP-110", action="give another file")
    return {key: value for key, value in device.items() if key not in _CORE_KEYS}


def _command(text: str) -> Command:
    name, _, params = text.partition(" ")
    return Command(name, json.loads(params or "{}"))
