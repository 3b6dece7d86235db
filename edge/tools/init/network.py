"""Whether the daemon may reach the broker: its unit lets it speak to private networks only."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from edge.config.rules import parse_broker

ALLOWED = (
    "127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/64",
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "59.192.0.0/10", "fc00::/7",
)  # fmt: skip
"""``IPAddressAllow=`` of ``hall-edge.service``."""
_NETWORKS = tuple(map(ip_network, ALLOWED))
_LIMIT_S = 3.0


def to_allow(url: str) -> list[str] | None:
    """Return the addresses of the broker at *url* that the unit does not allow; ``None``: its name is not known now."""
    found = list(_addresses(parse_broker(url)[0]))
    others = {str(one) for one in found if not any(one in network for network in _NETWORKS)}
    return sorted(others) if found else None


def _addresses(host: str) -> Iterable[IPv4Address | IPv6Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        return _looked_up(host)


def _looked_up(host: str) -> list[IPv4Address | IPv6Address]:
    """Ask the name server, and wait for it no longer than a technician would."""
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        answers.put([str(address[0]).partition("%")[0] for *_, address in found])

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        return [ip_address(address) for address in answers.get(timeout=_LIMIT_S)]
    except queue.Empty:
        return []
