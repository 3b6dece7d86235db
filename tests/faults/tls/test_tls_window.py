"""A broker that is not ours, seen from the whole daemon: told in status and log, nothing sent, mended by a file."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tests.faults.tls.hall import NAME, Hall
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest


class TlsWindow(WindowUnderTest):
    """A window that speaks TLS to its broker's second port."""

    tls_port = 0

    @property
    def url(self) -> str:
        files = {"ca": "ca.pem", "certificate": "window.pem", "key": "window.key"}
        lines = "".join(f'\n{key} = "{self.folder}/{name}"' for key, name in files.items())
        return f'mqtts://127.0.0.1:{self.tls_port}"{lines}\n#"'


@pytest.mark.slow
def test_a_rogue_broker_is_told_of_and_gets_nothing(short_path: Path, tmp_path: Path) -> None:
    hall = Hall(tmp_path / "hall")
    own = hall.ours.issue(NAME, file="own")
    shutil.copy(hall.rogue.ca, short_path / "ca.pem")
    shutil.copy(own.certificate, short_path / "window.pem")
    shutil.copy(own.key, short_path / "window.key")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listener = (
        f"listener {port} 127.0.0.1", f"cafile {hall.ours.ca}", f"certfile {hall.broker.certificate}",
        f"keyfile {hall.broker.key}", "require_certificate true", "set_tcp_nodelay true",
    )  # fmt: skip
    (tmp_path / "broker").mkdir()
    with Broker(tmp_path / "broker", extra=listener) as broker:
        window = TlsWindow(short_path, broker)
        try:
            window.tls_port, window.lab = port, False
            window.device("gun-1", "code_serial", 'content = "public"')
            window.start()
            window.do("gun-1 scan A-17")
            wait_until(lambda: "MQT-131" in str(window.status()), 15, "the status names the cause")
            assert "MQT-131" in window.log_text
            assert "compare ca in [mqtt]" in window.log_text
            assert not window.tap.messages
            shutil.copy(hall.ours.ca, short_path / "ca.pem")
            window.tap.wait_events("scanned", deadline_s=20)
            assert "MQT-131" not in str(window.status()["health"]["link"])
        finally:
            window.close()
