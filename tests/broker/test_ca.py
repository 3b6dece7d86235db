"""``hall-edge-ca``: what it makes is what daemon and broker ask for, and what it should not make it refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.delivery.certificates import names_window, parse_certificate
from tests.broker.recipe import HALL, SHIPPED, Authority, commands, run

SECRET = "synthetic secret"  # noqa: S105  of no other CA
SCRIPT = SHIPPED / "hall-edge-ca"


def ca(folder: Path, *arguments: str, lines: str = "", code: int = 0, secret: str = "") -> str:
    """Run the script on the CA in *folder*; return what it says."""
    command = [str(SCRIPT), "-d", str(folder), *arguments]
    env = {**os.environ, "HALL_EDGE_CA_PASSPHRASE": secret}
    done = subprocess.run(
        command, input=lines, env=env, capture_output=True, text=True, check=False,
        start_new_session=True,  # without a terminal, so that it cannot ask
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ca") / "ca"
    ca(folder, "init")
    return folder


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_window_gets_a_certificate_that_names_it_and_nobody_else(made: Path) -> None:
    ca(made, "window", "some-hall/w01")
    names = parse_certificate((made / "window/some-hall/w01.pem").read_bytes()).names
    assert names_window(names, "some-hall", "w01")
    assert not names_window(names, "some-hall", "w02")
    found = certificate(made / "window/some-hall/w01.pem")
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_private_files_are_their_owners_alone(made: Path) -> None:
    ca(made, "window", "some-hall/private")
    secret = [*made.rglob("*.key"), made, made / "window/some-hall"]
    assert {oct(path.stat().st_mode & 0o077) for path in secret} == {"0o0"}
    assert (made / "window/some-hall/private.pem").stat().st_mode & 0o777 == 0o644


def test_a_list_may_grow(made: Path) -> None:
    assert ca(made, "window", "-", lines="list/w01\nlist/w02\n").split() == [
        "window/list/w01.pem",
        "window/list/w02.pem",
    ]
    assert ca(made, "window", "-", lines="list/w01\nlist/w02\n\nlist/w03\n").split() == ["window/list/w03.pem"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("window", "w01"), "'window/w01' is not window/HALL/WINDOW"),
        (("window", "a/b/c"), "is not window/HALL/WINDOW"),
        (("window", "Hall/w01"), "'Hall' is not 1 to 32 of a-z"),
        (("window", "a+/w01"), "'a+' is not"),
        (("window", "a/"), "'' is not"),
        (("window", "../x/y"), "is not window/HALL/WINDOW"),
        (("window", "system/case-system"), "a hall cannot be called system"),
        (("window", f"{'h' * 32}/{'w' * 32}"), "longer than the 64 characters of a CN"),
        (("system", "a/b"), "'a/b' is not 1 to 32"),
        (("system", "#"), "'#' is not"),
        (("broker", "a b"), "'a b' is no name"),
        (("sign", "broker/x", "/dev/null"), "'broker/x' is not window/HALL/WINDOW, system/NAME or bridge/HALL"),
        (("renew", "window/no/one"), "there is no window/no/one here"),
        (("revoke", "window/no/one"), "no valid certificate of window/no/one"),
        (("revoke",), "revoke: which?"),
        (("init",), "there is a CA in"),
    ],
)
def test_what_cannot_be_is_refused(made: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in ca(made, *arguments, code=1)
    assert not (made / ".lock").exists()


def test_what_exists_is_not_made_again_but_renewed_with_its_key(made: Path) -> None:
    ca(made, "broker", "mqtt.example", "10.0.0.1", "::1")
    path = made / "broker/mqtt.example.pem"
    before = certificate(path)
    assert "there already" in ca(made, "broker", "mqtt.example", code=1)
    ca(made, "-n", "100", "renew", "broker/mqtt.example")
    after = certificate(path)
    assert after.serial_number != before.serial_number
    assert after.public_key() == before.public_key()
    alternatives = [
        one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for one in (before, after)
    ]
    assert alternatives[0] == alternatives[1]
    assert len(alternatives[1]) == 3


def test_what_ends_is_listed_and_renewed_in_one_go(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    ca(folder, "init")
    ca(folder, "-n", "20", "window", "h/w01", "h/w02")
    ca(folder, "-n", "20", "system", "s")
    ca(folder, "broker", "b")
    assert ca(folder, "ending", code=1).split() == ["system/s", "window/h/w01", "window/h/w02"]
    ca(folder, "renew", "-", lines=ca(folder, "ending", code=1))
    assert ca(folder, "ending") == ""
    assert "crl" in ca(folder, "ending", "91", code=1).split()


def test_a_revocation_names_every_certificate_that_was_not_only_the_newest(made: Path) -> None:
    ca(made, "window", "lost/w01", "lost/w010")
    serials = [certificate(made / "window/lost/w01.pem").serial_number]
    ca(made, "renew", "window/lost/w01")
    serials.append(certificate(made / "window/lost/w01.pem").serial_number)
    ca(made, "revoke", "window/lost/w01")
    crl = x509.load_pem_x509_crl((made / "crl.pem").read_bytes())
    assert {one.serial_number for one in crl} == set(serials)
    assert not (made / "window/lost/w01.key").exists()
    ca(made, "window", "lost/w01")  # the next PC of that name


def test_a_key_may_stay_where_it_was_made_and_its_request_says_nothing(made: Path, tmp_path: Path) -> None:
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj"]
    command += ["/CN=system\\/case-system", "-keyout", f"{tmp_path}/own.key", "-out", f"{tmp_path}/own.csr"]
    subprocess.run(command, check=True, capture_output=True)
    ca(made, "sign", "window/signed/w01", str(tmp_path / "own.csr"))
    assert parse_certificate((made / "window/signed/w01.pem").read_bytes()).names == (
        "signed/w01",
        "urn:hall:signed:w01",
    )
    assert not (made / "window/signed/w01.key").exists()


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    ca(folder, "init", "--encrypt", secret=SECRET)
    assert "ENCRYPTED" in (folder / "ca.key").read_text(encoding="ascii")
    assert "openssl failed" in ca(folder, "system", "s", code=1, secret=f"not {SECRET}")
    ca(folder, "system", "s", secret=SECRET)
    assert (folder / "system/s.pem").exists()


def test_a_ca_for_one_domain_makes_no_broker_outside_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    ca(folder, "init", "--domain", "hall.example")
    ca(folder, "broker", "mqtt.hall.example")
    assert "permitted subtree violation" in ca(folder, "broker", "mqtt.elsewhere.example", code=1)
    assert not (folder / "broker/mqtt.elsewhere.example.pem").exists()
    ca(folder, "window", "h/w01")


def test_two_at_a_time_would_break_its_index(made: Path) -> None:
    (made / ".lock").mkdir()
    try:
        assert "another one works in this folder" in ca(made, "crl", code=1)
    finally:
        (made / ".lock").rmdir()


def test_what_the_guide_says_to_do_from_year_to_year(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ca(authority.folder, "-n", "50", "renew", f"window/{HALL}/w01")
    revoked = certificate(authority.folder / f"window/{HALL}/w02.pem").serial_number
    run(commands("hall-edge-ca revoke"), {"songjiang-district": HALL}, tmp_path)
    crl = x509.load_pem_x509_crl((authority.folder / "crl.pem").read_bytes())
    assert [one.serial_number for one in crl] == [revoked]
