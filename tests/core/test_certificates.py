"""What stands in a certificate: whose it is, and how long it is good for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge.delivery.certificates import (
    CODES,
    certificate_days_left,
    endings,
    names_window,
    parse_certificate,
    window_names,
)
from tests.support.authority import Authority

DAY_S = 86_400


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("hall-1/w03", True),
        ("w03.hall-1", True),
        ("W03.Hall-1", True),
        ("w03.hall-1.gov.example", True),
        ("urn:hall:hall-1:w03", True),
        ("w04.hall-1", False),
        ("w03.hall-2", False),
        ("w03.hall-12", False),
        ("w03xhall-1", False),
        ("xw03.hall-1", False),
        ("hall-1/w03/w04", False),
        ("urn:hall:hall-1:w031", False),
        ("w03.hall-1.", False),
        ("w03.hall-1.gov\nx", False),
        ("w03", False),
        ("hall-1", False),
        ("*.hall-1", False),
        ("", False),
    ],
)
def test_a_certificate_names_its_window(name: str, ours: bool) -> None:
    assert names_window([name], "hall-1", "w03") is ours
    assert names_window(["other", name], "hall-1", "w03") is ours
    assert names_window(window_names("hall-1", "w03"), "hall-1", "w03")


def test_all_its_names_are_read(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("cn", hosts=("10.0.0.1", "a.example"), uris=("urn:hall:h:w",), ends=10)
    found = parse_certificate(issued.certificate.read_bytes())
    assert found.names == ("cn", "a.example", "urn:hall:h:w")
    assert found.ends == pytest.approx(time.time() + 10 * DAY_S, abs=60)
    plain = Authority(tmp_path / "2").issue("only", hosts=())
    assert parse_certificate(plain.certificate.read_bytes()).names == ("only",)
    for damaged in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_certificate(damaged)


@pytest.mark.parametrize(
    ("left", "code"),
    [(400, None), (31, None), (29, "MQT-143"), (8, "MQT-143"), (6.5, "MQT-144"), (1.5, "MQT-144"), (0.9, "MQT-145"),
     (0.01, "MQT-145"), (-0.01, "MQT-146"), (-400, "MQT-146")],
)  # fmt: skip
def test_its_end_is_told_in_time(tmp_path: Path, left: float, code: str | None) -> None:
    path = str(Authority(tmp_path).issue("w", ends=500).certificate)
    now = time.time() + (500 - left) * DAY_S
    assert certificate_days_left(path, lambda: now) == pytest.approx(left, abs=0.001)
    found = endings([("certificate", path), ("ca", None), ("crl", str(tmp_path / "none"))], lambda: now)
    assert [one.code for one in found] == ([code] if code else [])
    for one in found:
        assert one.code in CODES
        assert (one.key, "put a new one in" in one.action) == ("certificate", True)
