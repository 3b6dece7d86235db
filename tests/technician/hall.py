"""What breaks around a window: its broker, its certificate, its disk and its clock."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.faults.disk.small_disk import SmallDisk
from tests.faults.host.rig import Clock, start
from tests.faults.tls.hall import Hall
from tests.support.broker import Broker, free_port
from tests.support.window import WindowUnderTest
from tests.technician.broken import Broken, Deed

DISK_KB = 8 * 1024
LIMITS = "[outbox]\nreserve_mb = 1\n[blobs]\nreserve_mb = 2\n"
LEFT_BYTES = 400_000


class Office(WindowUnderTest):
    """A window with TLS to its broker, a small disk, and a clock that can be set."""

    def __init__(self, folder: Path, broker: Broker, port: int, hall: Hall, disk: SmallDisk, clock: Clock) -> None:
        super().__init__(folder, broker)
        self.port, self.hall, self.disk, self.clock = port, hall, disk, clock
        self.lab = False
        self.program = [*disk.inside, *self.program]
        self.extra = LIMITS
        shutil.copy(hall.ours.ca, folder / "ca.pem")
        self.give("window")
        self.device("gun-1", "code_serial", 'content = "public"')

    @property
    def url(self) -> str:
        files = {"ca": "ca.pem", "certificate": "window.pem", "key": "window.key"}
        lines = "".join(f'\n{key} = "{self.folder}/{name}"' for key, name in files.items())
        return f'mqtts://127.0.0.1:{self.port}"{lines}\n#"'

    def give(self, which: str) -> None:
        """Put a certificate of the window's and its key in their places: the good ones, or ``expired``."""
        issued = self.hall.window if which == "window" else self.hall.windows[which]
        shutil.copy(issued.certificate, self.folder / "window.pem")
        shutil.copy(issued.key, self.folder / "window.key")

    def open(self) -> None:
        """Start the daemon under its clock."""
        start(self, self.clock.environment)


def tls_broker(folder: Path, hall: Hall) -> tuple[Broker, int]:
    """Return a broker that wants certificates at the port named, and nothing at its own, where the test listens."""
    port = free_port()
    lines = (
        f"listener {port} 127.0.0.1", f"cafile {hall.ours.ca}", f"certfile {hall.broker.certificate}",
        f"keyfile {hall.broker.key}", "require_certificate true", "set_tcp_nodelay true",
    )  # fmt: skip
    folder.mkdir()
    return Broker(folder, extra=lines), port


def _expire(office: Office) -> None:
    office.give("expired")
    office.broker.restart()  # a connection that is up stays up


def _renew(office: Office, words: re.Match[str]) -> None:
    assert words["path"] == str(office.folder / "window.pem")
    office.give("window")
    assert office.stop() == 0
    office.open()


def _start_broker(office: Office, words: re.Match[str]) -> None:
    assert (words["host"], words["port"]) == ("127.0.0.1", str(office.port))
    office.broker.start()


BROKEN = [
    Broken[Office]("broker down", "MQT-101", "broker", lambda office: office.broker.kill()),
    Broken[Office]("certificate expired", "MQT-146", "certificate", _expire),
    Broken[Office]("disk full", "DSK-102", "disk", lambda office: office.disk.fill(LEFT_BYTES)),
    Broken[Office]("clock wrong", "CLK-101", "clock", lambda office: office.clock.set_to(60)),
]
DEEDS = [
    Deed[Office](
        r"启动 (?P<host>\S+) 上的消息服务器：它的 (?P<port>\d+) 端口没有程序在监听",
        r"start the broker on (?P<host>\S+): nothing listens on its port (?P<port>\d+)", _start_broker,
    ),
    Deed[Office](
        r"把新证书放到 (?P<path>\S+)，然后执行 sudo systemctl restart hall-edge",
        r"put a new one in (?P<path>\S+), then sudo systemctl restart hall-edge", _renew,
    ),
    Deed[Office](
        r"清理磁盘：用 sudo du -xsh /var/\* 查看占用", r"free disk space: see what fills it with sudo du -xsh /var/\*",
        lambda office, _: office.disk.empty(),
    ),
    Deed[Office](
        "校正日期和时间：sudo date -s '年-月-日 时:分'", "set date and time: sudo date -s 'YYYY-MM-DD hh:mm'",
        lambda office, _: office.clock.set(0),
    ),
]  # fmt: skip
