"""Why there is no connection to the broker, or none any more: a code, what was seen, and one thing to do."""

from __future__ import annotations

from collections.abc import Mapping

from edge.errors import EdgeError

NO_SUBSCRIBERS = 0x10
FIRST_FAILURE = 0x80
PROTOCOL_ERROR = 0x82
KEEP_ALIVE_TIMEOUT = 0x8D
TAKEN_OVER = 0x8E
TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
_BUSY = frozenset({0x88, 0x89, 0x8B, 0x96, 0x97, 0x98, 0x9C, 0x9F, 0xA0})
"""Reasons that mend themselves: unavailable, busy, shutting down, rate, quota, moved, connection time …"""

CODES: Mapping[str, tuple[str, str]] = {
    "MQT-101": ("no connection to the broker", "check network, address and port of the broker"),
    "MQT-102": ("the MQTT client refuses a message", "send the log to the developers"),
    "MQT-103": (
        "the broker accepts the connection but does not answer in MQTT 5",
        "check the broker's version and load, and what listens at this address",
    ),
    "MQT-104": ("the broker has not answered in time", "check the network to the broker and the broker's load"),
    "MQT-110": ("the broker refuses us", "check user, password, certificate and the broker's access list"),
    "MQT-112": (
        "another client has taken our place",
        "find the PC that uses this window's identity too, and switch it off",
    ),
    "MQT-113": ("the broker refuses a subscription", "let this window's identity subscribe to its own branch"),
    "MQT-115": ("the broker is not available now", "wait a minute; then see the broker's log, load and limits"),
    "MQT-116": (
        "the broker does not offer what a window needs",
        "allow QoS 1 and retained messages in the broker's configuration",
    ),
    "MQT-117": (
        "the broker sends what is not MQTT 5",
        "check what listens at this address, and whether something between rewrites it",
    ),
    "MQT-118": (
        "the broker's name is not resolved",
        "check url in [mqtt] and this PC's name server: getent hosts NAME",
    ),
    "MQT-119": (
        "the connection breaks again and again",
        "check cables, switches and the broker's log for why it ends connections",
    ),
    "MQT-120": (
        "the broker refuses this window's states",
        "let this window's identity publish below its own branch, retained",
    ),
    "MQT-199": ("a bug in hall-edge or in paho", "send the log to the developers"),
}
"""What was seen and the action, by code; those of TLS stand in :mod:`edge.delivery.tls`."""


class TransportError(EdgeError):
    """The connection could not be made, or has ended; ``reason`` is MQTT's code where there is one."""

    default_code = "MQT-101"

    def __init__(
        self, message: str = "", *, reason: int | None = None, code: str | None = None, action: str | None = None
    ) -> None:
        """What is not given is as in :data:`CODES`."""
        known = CODES.get(code or self.default_code, ("", ""))
        super().__init__(message or known[0], code=code, action=action or known[1])
        self.reason = reason

    @property
    def refused(self) -> bool:
        """Whether the broker does not want us, or another client has our name."""
        return self.code in ("MQT-110", "MQT-112", "MQT-113", "MQT-116")


def not_connected(host: str, port: int, error: Exception) -> TransportError:
    """Return the error of a connection that was not made."""
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    refused = isinstance(error, ConnectionRefusedError)
    action = f"start the broker on {host}: nothing listens on its port {port}" if refused else None
    return TransportError(f"no connection to {host}:{port} ({why})", action=action)


def taken_over() -> TransportError:
    """Return the error of two clients with one name."""
    return TransportError(reason=TAKEN_OVER, code="MQT-112")


def turned_away(reason: int, name: str) -> TransportError:
    """Return the error of a CONNACK that says no."""
    code = "MQT-115" if reason in _BUSY else "MQT-110"
    return TransportError(f"{CODES[code][0]}: {name} (0x{reason:02x})", reason=reason, code=code)


def disconnected(reason: int, name: str, *, told: bool) -> TransportError:
    """Return the error of a connection that ended: *told* by the broker, or found out by our client."""
    if reason == KEEP_ALIVE_TIMEOUT:
        return TransportError(code="MQT-104", reason=reason if told else None)
    if not told and reason == PROTOCOL_ERROR:
        return TransportError(code="MQT-117", reason=reason)
    if not told:
        return TransportError(f"the connection ended: {name}")
    if reason == TAKEN_OVER:
        return taken_over()
    code = "MQT-115" if reason in _BUSY else "MQT-101"
    return TransportError(f"the broker ended the connection: {name} (0x{reason:02x})", reason=reason, code=code)
