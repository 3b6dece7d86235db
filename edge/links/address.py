"""Addresses of devices, ``scheme:target?option=value``, checked without touching a device.

A driver names the forms it understands. Those of byte streams and of USB and HID devices stand here; drivers whose
library opens the device itself bring their own forms.

* ``serial:///dev/hall-edge/pad?baud=9600&parity=N&data_bits=8&stop_bits=1`` — a serial line by its node
* ``serial:1a86:7523?serial=0001&port=1-1.4&baud=9600`` — one by the numbers of its USB device, wherever its node is
* ``tcp://192.0.2.7:4001`` — a device on the network, or a serial-to-network converter
* ``replay:///var/tmp/visit.rec?split=7&chunk=1`` — a recording
* ``usb:0400:c35a?serial=0001&port=1-1.4`` — a USB device by its numbers, and by serial number or place if need be
* ``usbip://127.0.0.1:3240/1-1`` — a USB device that is exported over USB/IP
* ``hid:0483:5750?serial=0001&port=1-1.4`` or ``hid:///dev/input/by-id/…`` — keys or reports of a HID device
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote

from edge.errors import ConfigError, Problem, nearest, quoted

_BAUD = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]{0,252})(?::([0-9]{1,9}))?")
_NODE = re.compile(r"/dev/[\w./-]{1,60}")
_MAX_PORT = 65535

Allowed = Sequence[int | str] | range | re.Pattern[str]
"""Values of an option: these, a number of this range, or a text (with %XX) that the pattern matches as a whole."""


@dataclass(frozen=True)
class Address:
    """Where a device is: ``target`` is a path, ``host:port``, or ``VVVV:PPPP`` of a USB device."""

    scheme: str
    target: str
    options: dict[str, str]


@dataclass(frozen=True)
class AddressForm:
    """One way to write an address: *prefix* is the scheme with ``:`` or ``://``."""

    prefix: str
    check: Callable[[str], Problem | None]
    """Returns what is wrong with a target."""
    options: Mapping[str, Allowed] = field(default_factory=dict)
    path: bool = False
    """Whether the target is a path, which is then normalised."""

    @property
    def scheme(self) -> str:
        return self.prefix.partition(":")[0]


def parse_address(text: str, forms: Sequence[AddressForm] | None = None) -> Address:
    """Return the parts of *text*; raises :class:`ConfigError` with all that is wrong with it."""
    forms = LINKS if forms is None else forms
    form = max((one for one in forms if text.startswith(one.prefix)), key=lambda one: len(one.prefix), default=None)
    if form is None:
        scheme = re.split("[:?]", text, maxsplit=1)[0]
        prefixes = {one.prefix: one for one in forms}
        as_node = f"serial://{text}" if "serial://" in prefixes and _NODE.fullmatch(text) else None
        close = {one.scheme: one.prefix for one in reversed(forms)}.get(
            nearest(scheme, [one.scheme for one in forms]) or ""
        )
        action = f"begin it with {', '.join(prefixes)}"
        cause = f"the address begins with no known scheme, but {quoted(scheme)}"
        raise ConfigError([Problem("CFG-131", cause, action, as_node or close)])
    target, mark, query = text.removeprefix(form.prefix).partition("?")
    problems = [form.check(target)]
    options: dict[str, str] = {}
    for option in query.split("&") if mark else ():
        name, _, value = option.partition("=")
        problems.append(_option_problem(form, name, value, again=name in options))
        options[name] = unquote(value) if isinstance(form.options.get(name), re.Pattern) else value
    if any(problems):
        raise ConfigError([problem for problem in problems if problem])
    return Address(form.scheme, posixpath.normpath(target) if form.path else target, options)


def place_of(text: str) -> str:
    """Return the part of an address that says which device it is, without how to speak to it."""
    target, _, query = text.partition("?")
    which = sorted(option for option in query.split("&") if option.partition("=")[0] in _ONE_OF_SEVERAL)
    return f"{target}?{'&'.join(which)}" if which else target


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


def path_check(prefix: str) -> Callable[[str], Problem | None]:
    """Return a check for targets that are absolute paths."""

    def check(target: str) -> Problem | None:
        if target.startswith("/") and target.isprintable() and not target.endswith("/"):
            return None
        near = f"{prefix}/{target}" if _NODE.fullmatch(f"/{target}") else None
        action = f"write {prefix} and then the whole path with its first slash"
        return Problem("CFG-130", f"the address names no file by its path: {quoted(target)}", action, near)

    return check


def host_check(example: str, behind: str = "", default_port: int | None = None) -> Callable[[str], Problem | None]:
    """Return a check for targets ``host:port``, and *behind* it a text that the pattern matches."""

    def check(target: str) -> Problem | None:
        host, slash, rest = target.partition("/")
        try:
            split_host(host, default_port)
        except ValueError as error:
            return Problem("CFG-130", f"address: {error}", f"write {example}")
        if not re.fullmatch(behind, slash + rest):
            return Problem("CFG-130", f"the address ends with {quoted(slash + rest)}", f"write {example}")
        return None

    return check


def pattern_check(pattern: str, example: str) -> Callable[[str], Problem | None]:
    """Return a check for targets that *pattern* matches as a whole."""

    def check(target: str) -> Problem | None:
        if re.fullmatch(pattern, target):
            return None
        return Problem("CFG-130", f"the address cannot be {quoted(target)}", f"write {example}")

    return check


SERIAL_NUMBER = re.compile(r"[!-~ ]{1,126}")
USB_PORT = re.compile(r"\d{1,3}-\d{1,3}(\.\d{1,3}){0,6}")
_USB_ID = r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}"
_ONE_OF_SEVERAL: Mapping[str, Allowed] = {"serial": SERIAL_NUMBER, "port": USB_PORT}
_LINE: Mapping[str, Allowed] = {
    "baud": _BAUD, "data_bits": (5, 6, 7, 8), "parity": ("N", "E", "O"), "stop_bits": (1, 2)
}  # fmt: skip
SERIAL = AddressForm("serial://", path_check("serial://"), _LINE, path=True)
SERIAL_USB = AddressForm(
    "serial:", pattern_check(_USB_ID, "serial:///dev/… or serial:VVVV:PPPP"), {**_LINE, **_ONE_OF_SEVERAL}
)
"""A serial line by the ids of the USB device that has it: whatever its node is called now."""
TCP = AddressForm("tcp://", host_check("tcp://HOST:PORT"))
REPLAY = AddressForm(
    "replay://", path_check("replay://"), {"split": range(65536), "chunk": range(1, 4097), "once": (1,)}, path=True
)
USB = AddressForm("usb:", pattern_check(_USB_ID, "usb:VVVV:PPPP, as lsusb shows them"), _ONE_OF_SEVERAL)
USBIP = AddressForm("usbip://", host_check("usbip://HOST:PORT/BUSID", r"/[\w.-]{1,31}", 3240))
HID = AddressForm("hid:", pattern_check(_USB_ID, "hid:VVVV:PPPP or hid:///dev/…"), _ONE_OF_SEVERAL)
HID_NODE = AddressForm("hid://", path_check("hid://"), path=True)
BYTE_STREAMS = (SERIAL, SERIAL_USB, TCP, REPLAY)
LINKS = (*BYTE_STREAMS, USB, USBIP, HID, HID_NODE)


def _option_problem(form: AddressForm, name: str, value: str, *, again: bool) -> Problem | None:
    known = form.options
    if again or name not in known:
        cause = f"the address has {'twice the' if again else 'an unknown'} option {quoted(name)}"
        return Problem("CFG-132", cause, "correct or delete it", None if again else nearest(name, known))
    allowed, near = known[name], None
    if isinstance(allowed, re.Pattern):
        if allowed.fullmatch(unquote(value)):
            return None
        words = f"a text that {allowed.pattern} matches"
    elif isinstance(allowed, range):
        if value.isascii() and value.isdecimal() and str(int(value[:9])) == value and int(value) in allowed:
            return None
        words = f"{allowed[0]} to {allowed[-1]}"
    else:
        values = [str(one) for one in allowed]
        if value in values:
            return None
        words, near = ", ".join(values), nearest(value, values)
    return Problem("CFG-133", f"{name} in the address cannot be {quoted(value)}", f"use {words}", near)
