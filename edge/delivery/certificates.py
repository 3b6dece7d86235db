"""What stands in a certificate: whom it names, and until when it is good."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

CODES = {
    "MQT-143": "a certificate ends within 30 days",
    "MQT-144": "a certificate ends within 7 days",
    "MQT-145": "a certificate ends within a day",
    "MQT-146": "a certificate has ended",
}
"""For health and self-test: 30, 7 and 1 days ahead, and when it is too late."""
_STEPS = ((0.0, "MQT-146"), (1.0, "MQT-145"), (7.0, "MQT-144"), (30.0, "MQT-143"))
_DAY_S = 86_400.0


class Certificate(NamedTuple):
    """A certificate's names (CN, and the DNS names and URIs of its SAN), and its end in seconds since 1970."""

    names: tuple[str, ...]
    ends: float


class Ending(NamedTuple):
    """A certificate that ends soon: the key in ``[mqtt]`` that names it, and what to tell of it."""

    key: str
    days_left: float
    code: str
    seen: str
    action: str


def parse_certificate(pem: bytes) -> Certificate:
    """Return what stands in the first certificate of *pem*; raises ``ValueError``."""
    from cryptography import x509  # heavy, not always needed

    certificate = x509.load_pem_x509_certificate(pem)
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    names = [str(one.value) for one in common]
    try:
        other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += other.get_values_for_type(x509.DNSName) + other.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        pass
    return Certificate(tuple(names), certificate.not_valid_after_utc.timestamp())


def names_window(names: Iterable[str], hall: str, window: str) -> bool:
    """Return whether one of a certificate's *names* is this window's: see :func:`window_names`.

    Behind ``{window}.{hall}`` a domain may follow.
    """
    host = re.compile(rf"{re.escape(window)}\.{re.escape(hall)}(\.[a-z0-9.-]+)?", re.IGNORECASE)
    plain = window_names(hall, window)
    return any(name in plain or host.fullmatch(name) for name in names)


def window_names(hall: str, window: str) -> tuple[str, str, str]:
    """Return the names by which a certificate can say that it is this window's."""
    return f"{hall}/{window}", f"{window}.{hall}", f"urn:hall:{hall}:{window}"


def certificate_days_left(path: str, now: Callable[[], float] = time.time) -> float:
    """Return the days until the certificate in *path* ends, below 0 after it; raises ``OSError``, ``ValueError``."""
    return (parse_certificate(Path(path).read_bytes()).ends - now()) / _DAY_S


def endings(files: Iterable[tuple[str, str | None]], now: Callable[[], float] = time.time) -> list[Ending]:
    """Return which of *files* (``(key in [mqtt], path)``) hold a certificate that ends within 30 days, or has ended.

    What cannot be read is left out: the connection itself says so (``MQT-114``).
    """
    found = []
    for key, path in files:
        try:
            days = certificate_days_left(path, now) if path else None
        except (OSError, ValueError):
            continue
        code = next((code for limit, code in _STEPS if days is not None and days <= limit), None)
        if days is not None and code is not None:
            seen = (
                "has ended" if days <= 0 else f"ends in {max(1, round(days))} days" if days > 1 else "ends within a day"
            )
            action = f"put a new one in {path}, then sudo systemctl restart hall-edge"
            found.append(Ending(key, days, code, f"the certificate ({key} in [mqtt]) {seen}", action))
    return found
