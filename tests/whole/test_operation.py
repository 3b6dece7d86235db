"""Running it: one daemon a window, an end within a second, states that tell the causes apart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

from tests.support.window import WindowUnderTest

GUN = ("gun-1", "code_serial", 'content = "public"')


def run_again(window: WindowUnderTest) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", "run", "-c", str(window.config_path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


def test_a_second_daemon_exits_and_names_the_first(window: WindowUnderTest) -> None:
    window.device(*GUN)
    window.start()
    assert window.process is not None
    second = run_again(window)
    assert second.returncode == 7
    assert f"pid {window.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    window.kill()
    window.start()  # the lock died with the process


def test_the_command_line_tells_what_the_daemon_says(window: WindowUnderTest) -> None:
    window.device(*GUN)
    window.start()
    status = [sys.executable, "-m", "edge", "status", "--run", str(window.folder / "run")]
    good = subprocess.run(status, capture_output=True, text=True, timeout=10, check=False)
    assert good.returncode == 0
    assert "gun-1" in good.stdout
    watching = subprocess.Popen([*status[:3], "watch", *status[4:], "--json"], stdout=subprocess.PIPE)
    assert watching.stdout is not None
    assert b'"ready"' in watching.stdout.readline()
    window.do("gun-1 unplug")
    line = b""
    while b'"absent"' not in line:
        line = watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    assert watching.wait(5) == 130
    watching.stdout.close()
    bad = subprocess.run(status, capture_output=True, text=True, timeout=10, check=False)
    assert bad.returncode == 1
    assert "SER-" in bad.stdout
    window.stop()
    gone = subprocess.run(status, capture_output=True, text=True, timeout=10, check=False)
    assert gone.returncode == 3
    assert "SYS-103" in gone.stderr


def test_absent_denied_held_stuck_and_fault_are_told_apart(window: WindowUnderTest) -> None:
    window.device("id-mute", "idcard_sdt", 'read = "presence"')
    window.device("id-bad", "idcard_sdt", 'read = "presence"')
    held = window.bench.add("held", "code_serial")
    window.foreign("gun-held", *GUN[1:2], f"serial://{held}", GUN[2])
    window.foreign("gun-away", *GUN[1:2], f"serial://{window.folder}/nowhere", GUN[2])
    window.foreign("no-line", *GUN[1:2], f"serial://{window.config_path}", GUN[2])
    window.bench.do("id-mute mute")
    window.bench.do("id-bad selftest-bad 60")
    program = f"import serial; line = serial.Serial({str(held)!r}, exclusive=True); print('held', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        window.start(ready=False)
        for device, state in (("gun-away", "absent"), ("id-mute", "stuck"), ("id-bad", "fault"), ("no-line", "fault")):
            assert window.wait_state(device, state, 20)["code"]
        taken = window.wait_state("gun-held", "held")
        assert f"pid {holder.pid}" in taken["reason"]
    finally:
        holder.communicate(b"\n")
    window.wait_state("gun-held", "ready", 40)
    window.bench.do("id-bad selftest-ok")
    window.bench.do("id-mute unmute")
    window.wait_state("id-bad", "ready", 40)
    window.wait_state("id-mute", "ready", 40)


HUNG_DRIVER = '''
    """A driver whose poll never returns."""
    import time
    from edge.driver import DeviceInfo, Driver, Settings


    class HungDriver(Driver):
        kind = "code-scanner"
        settings_type = Settings
        poll_limit_s = 1.0

        def open(self) -> DeviceInfo:
            return DeviceInfo()

        def poll(self, wait_s: float) -> list:
            time.sleep(3600)
            return []

        def close(self) -> None: ...
'''


def test_a_hung_driver_is_abandoned_and_does_not_keep_the_daemon(window: WindowUnderTest) -> None:
    foreign = window.folder / "foreign"
    info = foreign / "hung-1.0.dist-info"
    info.mkdir(parents=True)
    (foreign / "hung.py").write_text(textwrap.dedent(HUNG_DRIVER), encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hung\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[hall_edge.drivers]\nhung = hung:HungDriver\n", encoding="utf-8")
    window.foreign("hung-1", "hung", "tcp://127.0.0.1:9")
    window.device(*GUN)
    window.allow_drivers = '["hung"]'
    os.environ["PYTHONPATH"] = str(foreign)
    try:
        window.start(ready=False)
    finally:
        del os.environ["PYTHONPATH"]
    assert window.wait_state("hung-1", "stuck", 15)["code"] == "DRV-104"
    window.wait_state("gun-1", "ready")
    window.bench.do("gun-1 scan A1")
    window.tap.wait_events("scanned")
    began = time.monotonic()
    assert window.stop() == 0
    assert time.monotonic() - began < 2.0  # under a second when nothing else runs; this machine may be busy


def test_a_tcp_device_that_comes_and_goes(window: WindowUnderTest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        window.foreign("gun-1", "code_serial", f"tcp://127.0.0.1:{port}", 'content = "public"')
        window.start(ready=False)
        server.settimeout(10)
        connection, _ = server.accept()
        with connection:
            window.wait_state("gun-1", "ready")
            connection.sendall(b"T-1\r")
            window.tap.wait_events("scanned")
        window.wait_state("gun-1", "absent")
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"T-2\r")
            assert window.tap.wait_events("scanned", 2)[-1]["data"]["text"] == "T-2"
            assert window.tap.events("scanned")[-1]["mode"] == "live"
