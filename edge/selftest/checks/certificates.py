"""The files for TLS: do they fit together, and until when are they good?"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from edge.delivery.certificates import certificate_days_left, endings
from edge.delivery.tls import CODES, UNUSABLE, TlsFiles, UnusableFiles
from edge.reload import in_thread
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene

_DAY_S = 86_400.0
_CRL_DAYS = 7
_ENDED = "MQT-146"


async def look_at_certificates(scene: Scene) -> AsyncIterator[Check]:
    """Read them as the next connection will."""
    mqtt = scene.config.mqtt
    if not mqtt.broker()[2]:
        yield _check("CRT-001", "skip", "the broker is reached without TLS")
        return
    files = TlsFiles(mqtt.ca, mqtt.certificate, mqtt.key, mqtt.crl)
    for check in await in_thread("selftest-certificates", lambda: list(_looked(files))):
        yield check


def _looked(files: TlsFiles) -> Iterator[Check]:
    try:
        files.context()
    except UnusableFiles:
        yield _check(UNUSABLE.code, "fail", UNUSABLE.seen, UNUSABLE.action)
        return
    named = {"certificate": files.certificate, "ca": files.ca}
    days = {key: int(certificate_days_left(path)) for key, path in named.items() if path}
    figures: dict[str, str | int | float | bool] = {f"{key}_days": left for key, left in days.items()}
    troubles = [
        _check(one.code, "fail" if one.code == _ENDED else "warn", one.seen, one.action, figures)
        for one in endings(named.items())
    ]
    troubles += _of_list(files.crl)
    yield from troubles
    if not troubles:
        until = ", ".join(f"{key} {left} days" for key, left in days.items())
        yield _check("CRT-000", "ok", f"good for: {until}" if until else "no certificate of our own", "", figures)


def _of_list(crl: str | None) -> Iterator[Check]:
    """Yield what is wrong with the revocation list."""
    if crl is None:
        return
    from cryptography import x509  # heavy, not always needed

    next_update = x509.load_pem_x509_crl(Path(crl).read_bytes()).next_update_utc
    if next_update is None:
        return
    days = (next_update.timestamp() - time.time()) / _DAY_S
    if days <= 0:
        yield _check("MQT-135", "fail", CODES["MQT-135"])
    elif days < _CRL_DAYS:
        yield _check("CRT-101", "warn", f"the revocation list ends in {days:.0f} days")


def _check(
    code: str, result: Result, seen: str, action: str = "", details: dict[str, str | int | float | bool] | None = None
) -> Check:
    return Check(
        part="certificate", name="certificate", code=code, result=result, seen=seen, action=action,
        details=details or {},
    )  # fmt: skip
