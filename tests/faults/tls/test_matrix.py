"""Every way for TLS to fail against a real mosquitto: its own code, nothing lost or said in clear, mended by itself."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.delivery import connection, tls
from edge.delivery.tls import TlsFiles
from tests.core.sender_rig import sending
from tests.faults.tls.hall import CASES, Case, Hall, Place
from tests.support.wait import wait_until


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Hall:
    return Hall(tmp_path_factory.mktemp("hall"))


@pytest.fixture
def place(tmp_path: Path, hall: Hall) -> Place:
    return Place(tmp_path / "files", hall)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before a reconnect."""
    monkeypatch.setattr(connection, "_BACKOFF_S", (0.02, 0.1))


def test_good_certificates_need_nothing_else(tmp_path: Path, place: Place) -> None:
    broker = place.broker(tmp_path / "broker")
    with broker, sending(tmp_path, broker.port, tls=place.files()) as sender:
        sender.commit("1", "2", "3")
        sender.wait_brokered(3)
        assert sender.publisher.problem is None
    assert "as hall-edge-test-hall-w01" in broker.log_text()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_failure_has_its_code_and_loses_nothing(
    case: Case, tmp_path: Path, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    case.spoil(place)
    files = {"certificate": place.files(), "none": place.files(certificate=False), "plain": None}[case.window]
    broker = place.broker(tmp_path / "broker", tls=case.broker_tls)
    with broker, caplog.at_level(logging.WARNING), sending(tmp_path, broker.port, tls=files) as sender:
        sender.commit("1", "2", "3")
        sender.wait_problem(case.code)
        problem = sender.publisher.problem
        assert problem is not None
        assert problem.action
        assert (sender.publisher.link, sender.publisher.brokered, sender.outbox.depth) == ("down", 0, 3)
        assert set(re.findall("MQT-[0-9]+", caplog.text)) == {case.code}, "the first attempt tells, and all others"
        if case.window == "certificate":  # else a file alone does not mend it
            place.mend()
            if case.at_broker:
                broker.mend()
            sender.wait_brokered(3)
            assert sender.publisher.problem is None


def test_every_code_of_the_matrix_has_an_action_of_its_own() -> None:
    codes = {case.code for case in CASES} - {"MQT-114"}
    assert codes == tls.CODES.keys() - {"MQT-142"}
    actions = [tls._trouble(code).action for code in tls.CODES]  # noqa: SLF001
    assert len(set(actions)) == len(actions)


def test_nothing_is_ever_said_in_clear(tmp_path: Path, place: Place) -> None:
    """A port that takes anything: whatever is tried, every connection begins with a TLS record (RFC 8446, 5.1)."""
    with Recorder() as recorder, sending(tmp_path, recorder.port, tls=place.files()) as sender:
        sender.commit("secret")
        wait_until(lambda: len(recorder.first) >= 8, 20, "eight attempts")
    assert set(Counter(begin[:2] for begin in recorder.first)) == {b"\x16\x03"}
    assert not [begin for begin in recorder.first if b"MQTT" in begin or b"secret" in begin]


def test_without_tls_files_the_system_decides_and_a_private_ca_is_unknown(tmp_path: Path, place: Place) -> None:
    broker = place.broker(tmp_path / "broker")
    with broker, sending(tmp_path, broker.port, tls=TlsFiles()) as sender:
        sender.wait_problem("MQT-131")


class Recorder:
    """A listener that keeps what each connection says first, and hangs up."""

    def __init__(self) -> None:
        self.first: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        for connected in self._accepted():
            with closing(connected):
                connected.settimeout(2)
                self.first.append(connected.recv(4096))

    def _accepted(self) -> Iterator[socket.socket]:
        while True:
            try:
                yield self._listener.accept()[0]
            except OSError:
                return
