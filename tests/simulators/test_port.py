"""The pseudo-terminal: there, gone, there again; what is lost, and the rate."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import serial

from simulators.port import SerialPort
from tests.simulators.host import Host
from tests.support.wait import wait_until


def test_a_plugged_port_carries_bytes_unchanged(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "id-1")
    port.plug()
    every_byte = bytes(range(256))
    with Host(port.link) as host:
        host.write(every_byte)
        assert wait_until(port.read) == every_byte
        assert port.write(every_byte) == 256
        assert host.read(256) == every_byte
    port.unplug()


def test_unplugging_removes_the_link_and_ends_the_host(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "id-1")
    port.plug()
    port.plug()
    with Host(port.link) as host:
        port.unplug()
        port.unplug()
        assert host.is_gone()
        assert not port.link.is_symlink()
        assert host.read(1) == b""
        with pytest.raises(OSError, match="Input/output error"):
            os.write(host.fd, b"x")
    assert (port.fd, port.read(), port.write(b"x"), port.baud(), port.has_host()) == (
        None,
        b"",
        0,
        None,
        False,
    )


def test_the_same_path_after_a_new_plug(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "id-1")
    for _ in range(20):
        port.plug()
        with Host(port.link) as host:
            host.write(b"ping")
            assert wait_until(port.read) == b"ping"
        port.unplug()


def test_bytes_to_nobody_are_lost(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "id-1")
    port.plug()
    assert (port.has_host(), port.unread()) == (False, 0)
    assert port.write(b"to nobody") == 0
    with Host(port.link) as host:
        assert port.has_host()
        assert port.write(b"unread") == 6
        assert host.read(2) == b"un"
        assert port.unread() == 4
    assert port.read() == b""
    with Host(port.link) as host:
        assert host.is_silent()
        assert port.write(b"fresh") == 5
        assert host.read(5) == b"fresh"
    port.unplug()


def test_a_host_that_does_not_read_loses_the_rest(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "id-1")
    port.plug()
    with Host(port.link):
        wait_until(lambda: port.write(bytes(65536)) == 0)
    port.unplug()


@pytest.mark.parametrize("baud", [9600, 19200, 115200, 4_000_000])
def test_the_rate_of_the_host_is_seen(tmp_path: Path, baud: int) -> None:
    port = SerialPort(tmp_path / "id-1")
    port.plug()
    with serial.Serial(str(port.link), baud, timeout=1):
        assert port.baud() == baud
    port.unplug()


def test_an_old_link_is_replaced_and_anything_else_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "id-1"
    link.symlink_to(tmp_path / "gone")
    port = SerialPort(link)
    port.plug()
    assert link.readlink().parent == Path("/dev/pts")
    link.unlink()
    link.symlink_to(tmp_path / "of somebody else")
    port.unplug()
    assert link.is_symlink()
    link.unlink()
    link.write_text("a file")
    with pytest.raises(FileExistsError, match="in the way"):
        port.plug()
    assert port.fd is None
    with pytest.raises(FileNotFoundError):
        SerialPort(tmp_path / "missing" / "id-1").plug()
