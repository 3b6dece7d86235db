"""A simulated ID-card reader without a port, and the published answers in hexadecimal digits."""

from __future__ import annotations

from simulators.idcard_sdt import IdCardReader
from simulators.words import Words
from tests.simulators.host import sdt

OK = "AAAAAA9669000400009094"
FOUND = "AAAAAA9669000800009F0000000097"
NO_CARD = "AAAAAA9669000400008084"
SELECTED = "AAAAAA9669000C00009000000000000000009C"
SELECT_FAILED = "AAAAAA9669000400008185"
READ_FAILED = "AAAAAA9669000400004145"
AUTH_FAILED = "AAAAAA9669000400003236"
NO_CONTENT = "AAAAAA9669000400009195"
SELF_TEST_BAD = "AAAAAA9669000400006064"
NOT_AUTHORISED = "AAAAAA9669000400006662"
BAD_CHECKSUM = "AAAAAA9669000400001014"
BAD_LENGTH = "AAAAAA9669000400001115"
BAD_COMMAND = "AAAAAA9669000400002125"
SAM_ID = "AAAAAA966900140000900500030 05C50330187D612004E61BC006C".replace(" ", "")


class Desk:
    """A reader with a clock of its own."""

    def __init__(self, *options: str) -> None:
        self.reader = IdCardReader(Words(options), seed=1)
        self.now = 100.0
        self.reader.power_on(self.now)

    def do(self, line: str) -> None:
        action, *words = line.split()
        self.reader.actions()[action](Words(words)).start(self.now)

    def hears(self, data: bytes) -> str:
        return "".join(output.data.hex().upper() for output in self.reader.receive(data, self.now))

    def ask(self, command: str) -> str:
        return self.hears(sdt(command))

    def after(self, seconds: float) -> str:
        self.now += seconds
        return "".join(output.data.hex().upper() for output in self.reader.due(self.now))

    def read(self, command: str = "3001") -> bytes:
        assert self.ask("2001") == FOUND
        assert self.ask("2002") == SELECTED
        return bytes.fromhex(self.ask(command))
