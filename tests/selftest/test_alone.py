"""A window tested without its daemon: with what only root may read, and for whom there is nothing to test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.config import credentials
from edge.errors import EdgeError
from edge.selftest import alone_process
from edge.selftest.model import Check, Report
from edge.selftest.peek import Peek, peek
from edge.selftest.session import selftest
from tests.selftest.rig import write
from tests.selftest.test_broker_check import Hall
from tests.support.broker import Broker

Make = Callable[..., Broker]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with ExitStack() as brokers:

        def start(*lines: str, acl: str = "") -> Broker:
            folder = tmp_path_factory.mktemp("broker")
            (folder / "acl").write_text(acl, "utf-8")
            (folder / "acl").chmod(0o600)
            return brokers.enter_context(Broker(folder, extra=[*lines, f"acl_file {folder}/acl"]))

        yield start


@pytest.mark.slow
def test_a_key_that_systemd_hands_over(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(tmp_path, make)
    window = hall.window()
    file = hall.file(tmp_path, window)
    file.write_text(file.read_text("utf-8").replace(f'"{window.key}"', '"credential:window-key"'), "utf-8")
    drop_in = tmp_path / "hall-edge.service.d" / "key.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(f"[Service]\nLoadCredential=window-key:{window.key}\n", "utf-8")
    (broken,) = [one for one in selftest(str(file)) if isinstance(one, Check)]
    assert (broken.code, broken.result) == ("CFG-150", "fail")
    monkeypatch.setattr(credentials, "DROP_INS", str(drop_in.parent))
    report = list(selftest(str(file)))[-1]
    assert isinstance(report, Report)
    found = {check.name: check.code for check in report.checks}
    assert (found["certificate"], found["broker"]) == ("CRT-000", "MQT-000")
    assert [check.code for check in report.checks if check.result == "fail"] == ["SVC-102"]


def test_a_user_without_rights_is_sent_to_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(EdgeError) as caught:
        list(selftest(str(file)))
    assert (caught.value.code, "sudo" in caught.value.action) == ("SYS-104", True)


def test_a_process_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(EdgeError) as caught:
        list(alone_process.tested_alone(str(file), peek(str(file)), "internal", ()))
    assert caught.value.code == "TST-110"


@pytest.mark.parametrize("text", ["", "[window]\nhall = 1\n[[device]]\nname = []\n", "\x00", "device = 3\nwindow = 4"])
def test_a_first_look_at_what_is_no_configuration(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(text, "utf-8")
    assert peek(str(file))[:2] == ("?", "?")
    assert peek(str(tmp_path / "missing")) == Peek()
