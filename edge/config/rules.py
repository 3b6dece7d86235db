"""Rules that no type can say: named files, keys that belong together, where personal data may go."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path as FilePath
from typing import Any

from edge.config.credentials import Grant, Lookup
from edge.config.findings import Findings
from edge.errors import ConfigError, Problem, quoted
from edge.links.address import split_host
from edge.toml_lines import Path

_MAX_BYTES = 1 << 20
RESERVED_HALLS = ("system", "bridge")
"""No halls: the certificates of back offices and of bridges begin so."""
FILES = {
    "ca": b"BEGIN CERTIFICATE",
    "crl": b"BEGIN X509 CRL",
    "certificate": b"BEGIN CERTIFICATE",
    "key": b"PRIVATE KEY",
    "password_file": b"",
}
"""The keys of ``[mqtt]`` that name files, and what must stand in those."""
_CREDENTIAL = "credential:"


def parse_broker(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether it is TLS; raises :class:`ConfigError`."""
    if "@" in url:
        action = "take them out of the URL: username = …, password_file = …"
        raise ConfigError([Problem("CFG-141", "the broker's URL holds a user name or password", action)])
    match = re.fullmatch(r"mqtt(s?)://([^/]*)/?", url)
    try:
        if match is None:
            raise ValueError("it is not mqtts:// or mqtt:// with a host and nothing behind")
        return *split_host(match[2], 8883 if match[1] else 1883), bool(match[1])
    except ValueError as error:
        raise ConfigError([Problem("CFG-140", f"broker URL: {error}", "write mqtts://HOST:8883")]) from None


def is_loopback(host: str) -> bool:
    """Return whether *host* is this PC."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_file(path: str) -> tuple[bytes, int]:
    """Return content and mode of an ordinary file of at most 1 MiB; raises ``ValueError`` with the cause."""
    try:
        status = FilePath(path).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            raise ValueError("it is no ordinary file, or larger than 1 MiB")
        return FilePath(path).read_bytes(), status.st_mode
    except OSError as error:
        raise ValueError(error.strerror) from None


class NamedFiles:
    """Reads the files that the configuration names, and reports what is wrong with them."""

    def __init__(self, environ: Mapping[str, str], found: Findings, *, lab: bool, lookup: Lookup | None = None) -> None:
        self._credentials = environ.get("CREDENTIALS_DIRECTORY")
        self._found = found
        self._lab = lab
        self._lookup = lookup or Lookup()

    def place(self, name: str) -> str:
        """Return the path that *name* stands for: itself, or where systemd puts ``credential:NAME``, or takes it."""
        if not name.startswith(_CREDENTIAL):
            return self._lookup.root + name
        grant = self._grant(name)
        return self._lookup.root + grant.path if grant else f"{self._credentials}/{name.removeprefix(_CREDENTIAL)}"

    def _grant(self, name: str) -> Grant | None:
        """Return what systemd will read for ``credential:NAME``, where it has not done so."""
        return None if self._credentials else self._lookup.granted.get(name.removeprefix(_CREDENTIAL))

    def content(self, name: str) -> bytes | None:
        """Return what is in the file *name*, or ``None`` without a word: :meth:`read` has said why."""
        try:
            return read_file(self.place(name))[0]
        except ValueError:
            return None

    def read(self, path: Path, name: str, *, secret: bool = False) -> bytes | None:
        """Return what is in the file *name* (of the key at *path*), or ``None`` after saying why not.

        A *secret* file must not be open to every user.
        """
        shown, action = f"{path[-1]}: {quoted(name)}", "check path and rights"
        credential = re.fullmatch(_CREDENTIAL + r"\w[\w.-]*", name, re.ASCII)
        try:
            if not credential and not (name.startswith("/") and name.isprintable()):
                shown, action = f"{path[-1]}: its value", "write an absolute path, or credential:NAME"
                raise ValueError("names no file")
            if self._is_absent(name, credential=bool(credential)):
                return None
            if credential and not self._credentials and not self._grant(name):
                action = "let systemd start the daemon, with LoadCredential= in its unit"
                raise ValueError("there is no credentials directory here")
            data, mode = read_file(self.place(name))
            if credential and (grant := self._grant(name)) and grant.encrypted:
                return None
        except ValueError as error:
            self._found.add(path, "CFG-150", f"{shown} cannot be read: {error}", action)
            return None
        if secret and mode & stat.S_IRWXO:
            problem = Problem("CFG-151", f"{shown} is open to every user of this PC", f"chmod o= {quoted(name)}")
            self._found.take(path, [problem], as_warnings=self._lab)
        return data

    def _is_absent(self, name: str, *, credential: bool) -> bool:
        """Return whether *name* is a file of another PC, and note it."""
        known = not credential or self._credentials or self._grant(name)
        if not self._lookup.elsewhere or (known and os.path.exists(self.place(name))):  # noqa: PTH110  # never raises
            return False
        self._lookup.absent.add(name)
        return True


def check_mqtt(mqtt: Mapping[str, Any], files: NamedFiles, found: Findings, *, lab: bool, personal: bool) -> None:
    """Report what is wrong in ``[mqtt]`` beyond its types; *personal*: a device delivers personal data."""
    given = {key: value for key, value in mqtt.items() if isinstance(value, str)}
    for key in FILES.keys() & given.keys():
        data = files.read(("mqtt", key), given[key], secret=key in ("key", "password_file"))
        if data is not None and (FILES[key] not in data or b"BEGIN ENCRYPTED" in data):
            what = FILES[key].decode().removeprefix("BEGIN ").lower()
            cause = f"{key}: the file is encrypted, or holds no {what} in PEM form"
            found.add(("mqtt", key), "CFG-152", cause, "name the right file")
    for key, other in (
        ("certificate", "key"),
        ("key", "certificate"),
        ("certificate_name", "certificate"),
        ("password_file", "username"),
    ):
        if key in mqtt and other not in mqtt:
            found.add(("mqtt", key), "CFG-115", f"{key} is given without {other}", f"add {other}")
    if lab and "certificate" in mqtt:
        action = "take lab = true out of [window], or the certificate out of [mqtt]"
        found.add(("window", "lab"), "CFG-143", "lab mode on a window that has a client certificate", action)
    if "url" in given:
        try:
            host, _, tls = parse_broker(given["url"])
            if not tls:
                _check_plain(mqtt, found, alone=is_loopback(host), personal=personal and not lab)
        except ConfigError as error:
            found.take(("mqtt", "url"), error.problems)


def _check_plain(mqtt: Mapping[str, Any], found: Findings, *, alone: bool, personal: bool) -> None:
    for key in {"ca", "crl", "certificate", "key"} & mqtt.keys():
        found.add(("mqtt", key), "CFG-115", f"mqtt:// does not use {key}", f"write mqtts:// in url, or delete {key}")
    action = "write mqtts:// in url and add ca"
    if personal and not alone:
        found.add(("mqtt", "url"), "CFG-142", "personal data would cross the network without TLS", action)
    if "password_file" in mqtt and not alone:
        problem = Problem("CFG-145", "the broker's password crosses the network without TLS", action)
        found.take(("mqtt", "url"), [problem], as_warnings=True)
