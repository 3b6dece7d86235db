"""Addresses of devices, ``scheme://target?option=value``, checked without touching a device.

* ``serial:///dev/hall-edge/pad?baud=9600&parity=N&data_bits=8&stop_bits=1`` — a serial line by its node
* ``tcp://192.0.2.7:4001`` — a device on the network, or a serial-to-network converter
* ``replay:///var/tmp/visit.rec?split=7&chunk=1`` — a recording
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from edge.errors import ConfigError, Problem, nearest, quoted

_BAUD = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_SCHEMES: Mapping[str, Mapping[str, Sequence[int | str]]] = {
    "serial": {"baud": _BAUD, "data_bits": (5, 6, 7, 8), "parity": ("N", "E", "O"), "stop_bits": (1, 2)},
    "tcp": {},
    "replay": {"split": range(65536), "chunk": range(1, 4097)},
}
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]{0,252})(?::([0-9]{1,9}))?")
_NODE = re.compile(r"/dev/[\w./-]{1,60}")
_MAX_PORT = 65535


@dataclass(frozen=True)
class Address:
    """Where a device is: ``target`` is a path for ``serial`` and ``replay``, ``host:port`` for ``tcp``."""

    scheme: str
    target: str
    options: dict[str, str]


def parse_address(text: str) -> Address:
    """Return the parts of *text*; raises :class:`ConfigError` with all that is wrong with it."""
    scheme, _, rest = text.partition("://")
    target, mark, query = rest.partition("?")
    if scheme not in _SCHEMES:
        near = f"serial://{text}" if _NODE.fullmatch(text) else nearest(scheme, _SCHEMES)
        action = f"begin it with {', '.join(f'{known}://' for known in _SCHEMES)}"
        raise ConfigError(
            [Problem("CFG-131", f"the address begins with no known scheme, but {quoted(scheme)}", action, near)]
        )
    problems = [_target_problem(scheme, target)]
    options: dict[str, str] = {}
    for option in query.split("&") if mark else ():
        name, _, value = option.partition("=")
        problems.append(_option_problem(scheme, name, value, again=name in options))
        options[name] = value
    if any(problems):
        raise ConfigError([problem for problem in problems if problem])
    return Address(scheme, target if scheme == "tcp" else posixpath.normpath(target), options)


def split_host(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[IPv6]:port``; raises ``ValueError`` with the cause."""
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError("no host name or IP address with a port number behind it")
    host = match[1].strip("[]")
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(f"{quoted(host)} is no IP address") from None
    port = int(match[2]) if match[2] else default_port
    if port is None:
        raise ValueError("the port is missing")
    if not 0 < port <= _MAX_PORT:
        raise ValueError(f"the port {port} is not between 1 and {_MAX_PORT}")
    return host, port


def _target_problem(scheme: str, target: str) -> Problem | None:
    if scheme != "tcp":
        if target.startswith("/") and target.isprintable() and not target.endswith("/"):
            return None
        near = f"{scheme}:///{target}" if _NODE.fullmatch(f"/{target}") else None
        action = f"write {scheme}:// and then the whole path with its first slash"
        return Problem("CFG-130", f"the address names no file by its path: {quoted(target)}", action, near)
    try:
        split_host(target)
    except ValueError as error:
        return Problem("CFG-130", f"address: {error}", "write tcp://HOST:PORT")
    return None


def _option_problem(scheme: str, name: str, value: str, *, again: bool) -> Problem | None:
    known = _SCHEMES[scheme]
    if again or name not in known:
        cause = f"the address has {'twice the' if again else 'an unknown'} option {quoted(name)}"
        return Problem("CFG-132", cause, "correct or delete it", None if again else nearest(name, known))
    allowed = known[name]
    if isinstance(allowed, range):
        if value.isascii() and value.isdecimal() and str(int(value[:9])) == value and int(value) in allowed:
            return None
        words, near = f"{allowed[0]} to {allowed[-1]}", None
    else:
        values = [str(one) for one in allowed]
        if value in values:
            return None
        words, near = ", ".join(values), nearest(value, values)
    return Problem("CFG-133", f"{name} in the address cannot be {quoted(value)}", f"use {words}", near)
