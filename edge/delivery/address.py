"""Where the broker is, as the configuration says it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.delivery.tls import UNUSABLE, TlsFiles
from edge.delivery.transport import BrokerAddress
from edge.errors import EdgeError

if TYPE_CHECKING:
    from edge.config import Mqtt


def broker_address(mqtt: Mqtt, client_id: str) -> BrokerAddress:
    """Return the broker of the configuration; raises ``EdgeError`` when its files cannot be used."""
    host, port, encrypted = mqtt.broker()
    files = TlsFiles(mqtt.ca, mqtt.certificate, mqtt.key, mqtt.crl) if encrypted else None
    try:
        if files:
            files.context()
        password = Path(mqtt.password_file).read_text(encoding="utf-8").strip() if mqtt.password_file else None
    except (OSError, ValueError) as error:  # also what ssl raises
        raise EdgeError(UNUSABLE.seen, code=UNUSABLE.code, action=UNUSABLE.action) from error
    return BrokerAddress(host, port, client_id, mqtt.keepalive_s, files, mqtt.username, password)
