"""Find scanners by DNS-SD (RFC 6763): the second way to an address; multicast is often filtered in a hall."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

TYPES = ("_uscan._tcp.local.", "_uscans._tcp.local.")
_ASK_MS = 1000
_ROOT = re.compile(r"[\w.~/-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Announced:
    """One scanner as it announces itself."""

    name: str
    title: str
    uuid: str
    host: str
    port: int
    root: str
    secure: bool

    @property
    def address(self) -> str:
        """What a window's configuration says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'escls' if self.secure else 'escl'}://{host}:{self.port}/{self.root}"

    def answers_to(self, wanted: str) -> bool:
        """Return whether *wanted* is its UUID or its name."""
        return bool(wanted) and wanted.lower() in (self.uuid.lower(), self.name.lower())


def browse(
    wait_s: float, enough: Callable[[list[Announced]], bool] = lambda _: False, interfaces: Any = None
) -> list[Announced]:
    """Return who announces itself within *wait_s*, or until that is *enough*; secure services first.

    Raises ``OSError`` without a network.
    """
    from zeroconf import InterfaceChoice, ServiceBrowser, ServiceStateChange, Zeroconf

    found: dict[tuple[str, str], Announced] = {}
    changed = threading.Condition()

    def note(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            return
        info = zeroconf.get_service_info(service_type, name, _ASK_MS)
        if info is not None and (one := _announced(info)) is not None:
            with changed:
                found[service_type, name] = one
                changed.notify()

    zeroconf = Zeroconf(interfaces=interfaces or InterfaceChoice.All)
    try:
        browser = ServiceBrowser(zeroconf, list(TYPES), handlers=[note])
        with changed:
            changed.wait_for(lambda: enough(list(found.values())), wait_s)
        browser.cancel()
    finally:
        zeroconf.close()
    return sorted(found.values(), key=lambda one: (not one.secure, one.name))


def _announced(info: ServiceInfo) -> Announced | None:
    """Return what a service says, or ``None`` when it cannot be used."""
    texts = {key.decode(errors="replace").lower(): value for key, value in info.properties.items()}

    def text(key: str) -> str:
        shown = (texts.get(key) or b"").decode(errors="replace")
        return "".join(char for char in shown if char.isprintable())[:60]

    hosts = sorted(info.parsed_scoped_addresses(), key=lambda one: ":" in one)  # IPv4 first
    root = text("rs").strip("/") or "eSCL"
    if not hosts or not info.port or not _ROOT.fullmatch(root):
        return None
    name = info.name.removesuffix(f".{info.type}")
    return Announced(
        name=name,
        title=text("ty") or name[:60],
        uuid=text("uuid"),
        host=hosts[0],
        port=info.port,
        root=root,
        secure=info.type.startswith("_uscans."),
    )
