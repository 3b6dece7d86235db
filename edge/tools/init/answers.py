"""The answers: what each must be, and the configuration that they make."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edge.config.credentials import Lookup
from edge.config.findings import Findings
from edge.config.keys import check_public_keys
from edge.config.rules import RESERVED_HALLS, NamedFiles, parse_broker
from edge.errors import ConfigError, Problem, quoted

LAB = "lab"
_NAME = re.compile("[a-z0-9-]{1,32}")
_HIDDEN = tuple(f"/{name}/" for name in ("home", "root", "tmp", "var/tmp", "run/user", "media", "mnt"))
"""Folders that a service does not see, or that are not there at its next start."""


@dataclass
class Answers:
    """What is known of the window; an empty text or ``None`` is not known yet."""

    hall: str = ""
    window: str = ""
    url: str = ""
    lab: bool = False
    subscribers: Sequence[tuple[str, str]] | None = None
    """Names, each with the path of a public key, or nothing."""
    devices: Sequence[Mapping[str, Any]] | None = None
    ca: str = ""
    crl: str = ""
    certificate: str = ""
    key: str = ""
    username: str = ""
    password_file: str = ""

    def document(self) -> dict[str, Any]:
        """Return the configuration as ``tomllib`` would read it."""
        files = {
            "ca": self.ca,
            "crl": self.crl,
            "certificate": self.certificate,
            "key": self.key,
            "username": self.username,
        }
        mqtt = {"url": self.url, **files, "password_file": self.password_file}
        subscribers = [{"name": name, "key": key} for name, key in self.subscribers or ()]
        return {
            "window": {"hall": self.hall, "window": self.window, **({"lab": True} if self.lab else {})},
            "mqtt": {name: text for name, text in mqtt.items() if text},
            "subscriber": [{name: text for name, text in one.items() if text} for one in subscribers],
            "device": [dict(one) for one in self.devices or ()],
        }


def checked_name(text: str) -> str:
    """Return the name of a hall or a window; raises :class:`ConfigError`."""
    name = text.lower()
    if not _NAME.fullmatch(name):
        raise wrong("CFG-113", f"{quoted(text)} is no name of 1 to 32 of a-z, 0-9 and -", "write it in these")
    return name


def checked_hall(text: str) -> str:
    """Return the name of a hall; raises :class:`ConfigError`."""
    name = checked_name(text)
    if name in RESERVED_HALLS:
        raise wrong("CFG-192", f"{quoted(name)} has a meaning of its own in the broker's access list", "take another")
    return name


def checked_broker(text: str) -> str:
    """Return the broker's URL, with TLS where nothing else is said; raises :class:`ConfigError`."""
    url = text if "://" in text else f"mqtts://{text}"
    parse_broker(url)
    return url


def checked_key(text: str, root: str, *, for_unit: bool) -> str:
    """Return the path of a file with public keys that are good now; raises :class:`ConfigError`."""
    found = Findings("", {})
    path = checked_path(text, root, for_unit=for_unit)
    data = NamedFiles({}, found, lab=False, lookup=Lookup(root=root)).read(("key",), path)
    if data is not None:
        check_public_keys(("key",), data, found, time.time())
    if found.problems:
        first = found.problems[0]
        raise wrong(first.code, first.cause.removeprefix("key: "), first.action)
    return path


def checked_path(text: str, root: str, *, for_unit: bool) -> str:
    """Return *text* as an absolute path, one that the daemon can see when *for_unit*; raises :class:`ConfigError`."""
    path = text if root or text.startswith("/") else str(Path(text).absolute())
    hidden = next((folder for folder in _HIDDEN if for_unit and path.startswith(folder)), None)
    if hidden:
        name = PurePosixPath(path).name
        action = f"copy it first: install -m 0640 -g hall-edge {quoted(path)[1:-1]} /etc/hall-edge/{name}"
        raise wrong("CFG-192", f"the daemon does not see files below {hidden}", action)
    return path


def named_after(path: str) -> str:
    """Return a name for the back office whose public key is in *path*."""
    stem = PurePosixPath(path).name.split(".")[0].lower()
    return re.sub("[^a-z0-9-]+", "-", stem).strip("-")[:32] or "back-office"


def wrong(code: str, cause: str, action: str, file: str = "") -> ConfigError:
    """Return the error of one answer."""
    return ConfigError([Problem(code, cause, action, file=file)])


def placed(place: str, check: Callable[[str], Any], text: str) -> Any:
    """Return what *check* makes of *text*; its errors name *place*, a flag or a line of the answers."""
    try:
        return check(text)
    except ConfigError as error:
        first = error.problems[0]
        raise ConfigError([Problem(first.code, first.cause, first.action, first.nearest, file=place)]) from None
