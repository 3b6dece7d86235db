"""``hall-edge discover`` on a PC with devices, and what becomes of the lines that it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.plugboard import PlugBoard, UsbDevice


def test_discover_sees_what_is_plugged_in_and_check_takes_its_lines(tmp_path: Path, plugboard: PlugBoard) -> None:
    reader = UsbDevice(port="1-1.2", ids="0400:c35a", tty=None, product="", maker="")
    guns = [
        UsbDevice(port=f"1-1.{n}", ids="0c2e:0b61", serial=f"G{n}", maker="Honeywell", product="Xenon",
                  tty=f"ttyACM{n}", interface="020201")
        for n in (3, 4)
    ]  # fmt: skip
    hostile = UsbDevice(port="1-1.5", ids="dead:beef", maker="# [[device]]", product='"\u202e = 1', tty=None)
    for device in (reader, *guns, hostile):
        plugboard.plug(device)
    command = [sys.executable, "-m", "edge"]
    environ = {**os.environ, "LC_ALL": "zh_CN.UTF-8"}
    done = subprocess.run([*command, "discover"], capture_output=True, text=True, env=environ, timeout=60, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("# [ NEW]")]
    assert rows == [
        "# [ NEW] 1-1.2      0400:c35a  idcard_sdt    0400:c35a：新设备，配置见下",
        "# [ NEW] 1-1.3      0c2e:0b61  code_serial   Honeywell Xenon：新设备，配置见下",
        "# [ NEW] 1-1.4      0c2e:0b61  code_serial   Honeywell Xenon：新设备，配置见下",
    ]
    assert "[ -- ] 1-1.5      dead:beef" in done.stdout
    config = tmp_path / "hall-edge.toml"
    head = '[window]\nhall = "h"\nwindow = "w"\nlab = true\n[mqtt]\nurl = "mqtt://localhost"\n'
    config.write_text(head + done.stdout, encoding="utf-8")
    checked = subprocess.run(
        [*command, "check", "--config", str(config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, "3 devices" in checked.stdout) == (0, True), checked.stderr
    assert '"serial:0c2e:0b61?serial=G4"' in config.read_text(encoding="utf-8")
