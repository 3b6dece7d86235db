"""Two authorities, a broker's and a window's files, good and bad, and what must be said of each pair."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.delivery.tls import TlsFiles
from tests.support.authority import Authority, Issued
from tests.support.broker import Broker

NAME = "w01.test-hall"
_OLD_TLS = """openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = system
[system]
MinProtocol = TLSv1
MaxProtocol = {newest}
CipherString = DEFAULT@SECLEVEL=0
"""


class Hall:
    """What a hall's two authorities have issued: ours, and one of somebody else with the same names."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.rogue = Authority(folder / "ours"), Authority(folder / "rogue", "rogue-ca")
        self.broker, self.window = self.ours.issue("broker"), self.ours.issue(NAME)
        self.brokers = {
            "wrong name": self.ours.issue("other", hosts=("other.example",)),
            "rogue": self.rogue.issue("broker"),
            "expired": self.ours.issue("broker", file="expired", begins=-20, ends=-0.01),
            "not yet valid": self.ours.issue("broker", file="early", begins=0.01),
        }
        self.windows = {
            "rogue": self.rogue.issue(NAME),
            "expired": self.ours.issue(NAME, file="window-expired", begins=-20, ends=-0.01),
            "not yet valid": self.ours.issue(NAME, file="window-early", begins=0.01),
        }
        self.crl = self.ours.revocations()
        self.crls = {
            "of the broker": self.ours.revocations(self.broker, file="crl-broker"),
            "of the window": self.ours.revocations(self.window, file="crl-window"),
            "out of date": self.ours.revocations(file="crl-old", ends=-1),
            "of another CA": self.rogue.revocations(),
        }


@dataclass
class Place:
    """One broker with TLS and one window; their files stand in *folder* under fixed names, and can be mended."""

    folder: Path
    hall: Hall

    def __post_init__(self) -> None:
        self.folder.mkdir()
        shutil.copy(self.hall.ours.ca, self.folder / "ca.pem")
        shutil.copy(self.hall.crl, self.folder / "crl.pem")
        shutil.copy(self.hall.crl, self.folder / "broker-crl.pem")
        self.put("broker", self.hall.broker)
        self.put("window", self.hall.window)
        (self.folder / "openssl.cnf").write_text(_OLD_TLS.format(newest="TLSv1.3"), encoding="ascii")

    def put(self, name: str, issued: Issued) -> None:
        """Give the broker or the window another certificate."""
        shutil.copy(issued.certificate, self.folder / f"{name}.pem")
        shutil.copy(issued.key, self.folder / f"{name}.key")

    def newest_tls(self, version: str) -> None:
        """Let the broker speak no newer TLS than *version*."""
        (self.folder / "openssl.cnf").write_text(_OLD_TLS.format(newest=version), encoding="ascii")

    def files(self, *, certificate: bool = True) -> TlsFiles:
        at = {name: str(self.folder / f"{name}.pem") for name in ("ca", "crl", "window")}
        if not certificate:
            return TlsFiles(ca=at["ca"], crl=at["crl"])
        return TlsFiles(at["ca"], at["window"], str(self.folder / "window.key"), at["crl"])

    def lines(self) -> Sequence[str]:
        """Return what makes a listener of mosquitto one with TLS that asks for certificates."""
        return (
            f"cafile {self.folder}/ca.pem", f"certfile {self.folder}/broker.pem", f"keyfile {self.folder}/broker.key",
            f"crlfile {self.folder}/broker-crl.pem", "require_certificate true", "use_identity_as_username true",
            "tls_version tlsv1.1",
        )  # fmt: skip

    def broker(self, folder: Path, *, tls: bool = True) -> PlacedBroker:
        """Return the broker of this place, with TLS or yet without."""
        folder.mkdir()
        return PlacedBroker(folder, self, tls=tls)

    def mend(self) -> None:
        """Put good files in the place of all."""
        good = Place(self.folder.with_name("good"), self.hall)
        for path in good.folder.iterdir():
            path.rename(self.folder / path.name)


class PlacedBroker(Broker):
    """A mosquitto with the files of its place, and with OpenSSL's own configuration from there."""

    def __init__(self, folder: Path, place: Place, *, tls: bool) -> None:
        super().__init__(folder, extra=place.lines() if tls else ())
        self._place = place

    def mend(self) -> None:
        """Read the files again; with TLS, if it had none before."""
        self.extra = tuple(self._place.lines())
        self.restart()

    def _start_on(self, port: int) -> bool:
        os.environ["OPENSSL_CONF"] = str(self._place.folder / "openssl.cnf")
        try:
            return super()._start_on(port)
        finally:
            del os.environ["OPENSSL_CONF"]


@dataclass(frozen=True)
class Case:
    """What is wrong at first, and how it is told. *at_broker*: mending it takes a restart of the broker."""

    name: str
    code: str
    spoil: Callable[[Place], object]
    at_broker: bool = True
    broker_tls: bool = True
    window: str = "certificate"
    """Or ``none``: without one; or ``plain``: without TLS."""

    def __str__(self) -> str:
        return self.name


def _broker(which: str) -> Callable[[Place], object]:
    return lambda place: place.put("broker", place.hall.brokers[which])


def _window(which: str) -> Callable[[Place], object]:
    return lambda place: place.put("window", place.hall.windows[which])


def _crl(which: str, name: str = "crl") -> Callable[[Place], object]:
    return lambda place: shutil.copy(place.hall.crls[which], place.folder / f"{name}.pem")


def _nothing(_place: Place) -> None:
    pass


CASES = [
    Case("wrong name", "MQT-130", _broker("wrong name")),
    Case("rogue CA", "MQT-131", _broker("rogue")),
    Case("expired", "MQT-132", _broker("expired")),
    Case("not yet valid", "MQT-133", _broker("not yet valid")),
    Case("revoked", "MQT-134", _crl("of the broker"), at_broker=False),
    Case("revocation list out of date", "MQT-135", _crl("out of date"), at_broker=False),
    Case("revocation list of another CA", "MQT-135", _crl("of another CA"), at_broker=False),
    Case("no client certificate", "MQT-136", _nothing, at_broker=False, window="none"),
    Case("client certificate of another CA", "MQT-137", _window("rogue"), at_broker=False),
    Case("client certificate not yet valid", "MQT-137", _window("not yet valid"), at_broker=False),
    Case("client certificate revoked", "MQT-137", _crl("of the window", "broker-crl")),
    Case("client certificate expired", "MQT-138", _window("expired"), at_broker=False),
    Case("TLS 1.1 only", "MQT-139", lambda place: place.newest_tls("TLSv1.1")),
    Case("TLS 1.2 only", "MQT-139", lambda place: place.newest_tls("TLSv1.2")),
    Case("no TLS at this port", "MQT-140", _nothing, broker_tls=False),
    Case("plain where TLS is wanted", "MQT-141", _nothing, at_broker=False, window="plain"),
    Case("file damaged", "MQT-114", lambda place: (place.folder / "window.pem").write_text("x"), at_broker=False),
]
