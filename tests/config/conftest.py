"""A good configuration with all the files it names, to be broken in many ways."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge import config, registry
from tests.support.authority import Authority

GOOD = """\
[window]
hall = "songjiang-district"
window = "w03"

[mqtt]
url = "mqtts://broker.hall.example:8883"
ca = "@/ca.pem"
certificate = "@/window.pem"
key = "@/window.key"

[log]
level = "info"

[[subscriber]]
name = "case-system"
key = "@/case.jwk"

[[device]]
name = "id-1"
driver = "card"
address = "serial:///dev/hall-edge/id-card?baud=115200"
read = "fields"
fields = ["name", "number"]
purpose = "acceptance of applications"

[[device]]
name = "pad-1"
driver = "pad"
address = "tcp://127.0.0.1:4001"
timeout_s = 30
"""
"""``@`` stands for the folder of the files."""

POINT = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
PUBLIC = {"kty": "EC", "crv": "P-256", "x": POINT, "y": POINT, "use": "enc"}
OTHER = {**PUBLIC, "x": POINT[::-1]}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
PRIVATE = "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n"
FILES = {
    "ca.pem": CERTIFICATE,
    "damaged.pem": CERTIFICATE,
    "window.key": PRIVATE,
    "open.key": PRIVATE,
    "swapped.key": CERTIFICATE,
    "encrypted.key": PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE"),
    "password": "correct horse\n",
    "case.jwk": json.dumps(PUBLIC),
    "no-use.jwk": json.dumps({key: value for key, value in PUBLIC.items() if key != "use"}),
    "requester.jwk": json.dumps({**PUBLIC, "use": "sig"}),
    "edwards.jwk": json.dumps({"kty": "OKP", "crv": "Ed25519", "x": POINT[::-1]}),
    "private.jwk": json.dumps({**PUBLIC, "d": POINT}),
    "secret.jwk": json.dumps({"kty": "oct", "k": POINT}),
    "p384.jwk": json.dumps({**PUBLIC, "crv": "P-384"}),
    "rsa.jwk": json.dumps({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
    "sign.jwk": json.dumps({**PUBLIC, "use": "sig"}),
    "short.jwk": json.dumps({**PUBLIC, "y": POINT[:-1]}),
    "set.jwk": json.dumps({"keys": [PUBLIC]}),
    "list.jwk": json.dumps([PUBLIC]),
    "deep.jwk": "[" * 100_000,
    "empty-set.jwk": json.dumps({"keys": []}),
    "odd-set.jwk": json.dumps({"keys": [3]}),
    "half-set.jwk": json.dumps({"keys": [PUBLIC, {**PUBLIC, "use": "sig", "y": POINT[:-1]}]}),
    "private-set.jwk": json.dumps({"keys": [PUBLIC, {**PUBLIC, "d": POINT}]}),
    "kid.jwk": json.dumps({**PUBLIC, "kid": 5}),
    "exp.jwk": json.dumps({**PUBLIC, "exp": "2030-01-01"}),
    "expired.jwk": json.dumps({**PUBLIC, "exp": 1_000_000_000}),
    "expired-set.jwk": json.dumps({"keys": [{**PUBLIC, "exp": 1_000_000_000}, {**OTHER, "exp": 1_100_000_000}]}),
    "old-and-new.jwk": json.dumps({"keys": [{**PUBLIC, "exp": 1_000_000_000}, OTHER]}),
    "many.jwk": json.dumps({"keys": [{**PUBLIC, "kid": str(n), "x": f"{n:A>43}"} for n in range(33)]}),
    "one-kid.jwk": json.dumps({"keys": [{**PUBLIC, "kid": "2026"}, {**OTHER, "kid": "2026"}]}),
    "kid-a.jwk": json.dumps({**PUBLIC, "kid": "2026"}),
    "kid-b.jwk": json.dumps({**OTHER, "kid": "2026"}),
}

Write = Callable[[str | bytes], Path]


@pytest.fixture(autouse=True)
def _sample_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PACKAGE", "tests.config.sample_drivers")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that configurations name; secrets are mode 0600."""
    folder = tmp_path_factory.mktemp("etc")
    for name, content in FILES.items():
        (folder / name).write_text(content, encoding="utf-8")
        (folder / name).chmod(0o644)
    authority = Authority(folder / "authority")
    (folder / "crl.pem").write_bytes(authority.revocations().read_bytes())
    for name, other in (
        ("window", "w03.songjiang-district"),
        ("neighbour", "w04.songjiang-district"),
        ("pc", "pc-0312"),
    ):
        issued = authority.issue(other, file=name, hosts=())
        (folder / f"{name}.pem").write_bytes(issued.certificate.read_bytes())
    for name in ("window.key", "encrypted.key", "swapped.key", "password"):
        (folder / name).chmod(0o600)
    (folder / "credentials").mkdir()
    (folder / "credentials" / "window-key").write_text(PRIVATE, encoding="utf-8")
    (folder / "credentials" / "window-key").chmod(0o400)
    (folder / "large.jwk").write_bytes(b" " * (1 << 20) + b"{}")
    return folder


@pytest.fixture
def write(tmp_path: Path, folder: Path) -> Write:
    """Return a function that writes a configuration file; ``@`` becomes the folder of the files."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "hall-edge.toml"
        data = content.replace("@", str(folder)).encode() if isinstance(content, str) else content
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def load(write: Write, folder: Path) -> Callable[[str | bytes], config.Config]:
    """Return a function that loads a configuration from text, with the credentials of the folder."""
    return lambda content: config.load(write(content), {"CREDENTIALS_DIRECTORY": str(folder / "credentials")})


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a foreign package ``acme-drivers``; it also offers a ``pad``, as we do, and two broken drivers."""
    site = tmp_path / "site"
    info = site / "acme_drivers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Acme.Drivers\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[hall_edge.drivers]\n"
        "acme_pad = acme_drivers_pad:AcmePad\n"
        "acme_module = acme_drivers_pad\n"
        "pad = acme_drivers_pad:AcmePad\n"
        "acme_none = acme_drivers_pad:Missing\n"
        "acme_number = acme_drivers_pad:NUMBER\n",
        encoding="utf-8",
    )
    (site / "acme_drivers_pad.py").write_text(
        "from tests.config.sample_drivers.pad import PadDriver\nNUMBER = 1\nclass AcmePad(PadDriver):\n    pass\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("acme_drivers_pad", None)
