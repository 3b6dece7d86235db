"""Talk to a USB or HID device as the daemon does, and tell what comes of it. A process of its own, under umockdev.

Orders are lines on standard input; every answer is a JSON object on a line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median

from drivers.idcard_sdt import SdtIdCardDriver
from edge.errors import DeviceError
from edge.links import HidLine, Line
from edge.links.address import parse_address
from edge.port import DevicePort
from tests.contract.harness import plain
from tests.core.usb_rig import SDT_LINE, STATUS, STATUS_OK


class Client:
    """One device by its address."""

    def __init__(self, address: str) -> None:
        self.port = DevicePort("device", parse_address(address), b"kernel")
        settings = SdtIdCardDriver.settings_type(read="full", purpose="test", find_interval_s=0.05)
        self.driver = SdtIdCardDriver(settings, self.port)

    def who(self) -> object:
        """Open the ID-card reader."""
        info = self.driver.open()
        return {"model": info.model, "simulated": self.port.simulated}

    def poll(self) -> object:
        """Return what the reader's card leads to."""
        return [plain(event) for event in self.driver.poll(0.05)]

    def close(self) -> object:
        self.driver.close()
        self.port.release()
        return None

    def keys(self) -> object:
        return self._heard(HidLine("keys"))

    def reports(self) -> object:
        return self._heard(HidLine("reports"))

    def ask(self) -> object:
        """Send a report."""
        self.port.open(HidLine("reports")).write(bytes.fromhex("01500A0000000000"))
        return None

    def speed(self) -> object:
        """Return how long an exchange takes, in microseconds."""
        link, times = self.port.open(SDT_LINE), []
        for _ in range(100):
            began = time.perf_counter()
            link.write(STATUS)
            data = b""
            while len(data) < len(STATUS_OK):
                data += link.read(1.0)
            times.append(time.perf_counter() - began)
        return round(median(times) * 1e6)

    def _heard(self, line: Line) -> object:
        """Open, say so, and return what is said within a second."""
        link = self.port.open(line)
        tell(open=True)
        sys.stdin.readline()
        data = b""
        while link.idle(1.0):
            data += link.read(0)
        return data.hex()


def tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(address: str) -> None:
    client = Client(address)
    for line in sys.stdin:
        work: Callable[[], object] = getattr(client, line.strip())
        try:
            tell(result=work())
        except DeviceError as error:
            tell(error=error.code, message=error.message, action=error.action)


if __name__ == "__main__":
    main(*sys.argv[1:])
