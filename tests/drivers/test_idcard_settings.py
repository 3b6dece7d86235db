"""The status table, the codes, and what the settings refuse."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from drivers import _sdt_status as status
from drivers._sdt_settings import IdCardSettings, armed, standing
from drivers._sdt_status import CODES, Next
from drivers.idcard_sdt import SdtIdCardDriver
from edge.errors import DeviceError, DeviceFault, DeviceProtocol, DeviceTimeout, Unsupported
from edge.events import Advice, CardRejection, ReadCard, ReadMode
from tests.drivers.idcard_rig import Rig

ALL = {0x90, 0x9F, 0x91, 0x10, 0x11, 0x21, 0x23, 0x24, 0x31, 0x32, 0x33, 0x37, 0x3F, 0x40, 0x41, 0x47}
ALL |= {0x60, 0x66, 0x80, 0x81}
RAISED = sorted(code for code in CODES if code.startswith("IDC-1"))
"""The others are those of its self-test."""


def test_the_table_is_complete_and_speaks_the_contract() -> None:
    assert set(status.STATUSES) == ALL
    for row in status.STATUSES.values():
        assert row.reason in get_args(CardRejection)
        assert row.advice in get_args(Advice)
        assert (row.code is not None) == (row.next in {Next.RESEND, Next.FAULT})
    reasons = {row.reason for row in status.STATUSES.values()} | {"unknown-type", "unreadable-record"}
    assert reasons == set(get_args(CardRejection))


def test_a_status_that_is_not_in_the_table() -> None:
    assert (status.status(0x77).reason, status.status(0x77).next) == ("unrecognised-error", Next.RESTART)


@pytest.mark.parametrize("code", RAISED)
def test_every_code_has_an_error_and_one_english_line(code: str) -> None:
    error = status.error(code)
    assert (error.code, error.message) == (code, CODES[code])
    assert code.startswith("IDC-1")
    assert CODES[code].isascii()
    assert "\n" not in str(error)
    assert type(error) is not DeviceError


def test_what_the_codes_mean_to_the_supervisor() -> None:
    kinds = {code: type(status.error(code)) for code in RAISED}
    assert {code for code, kind in kinds.items() if kind is DeviceTimeout} == {"IDC-101", "IDC-103"}
    assert {code for code, kind in kinds.items() if kind is DeviceFault} == {"IDC-160", "IDC-166"}
    assert set(kinds.values()) == {DeviceTimeout, DeviceFault, DeviceProtocol}


@pytest.mark.parametrize(
    ("own", "wrong"),
    [
        ({}, set()),
        ({"read": "presence"}, set()),
        ({"read": "verify", "lenient": True}, set()),
        ({"read": "fields", "fields": ["name", "number"]}, set()),
        ({"read": "fields", "fields": ["new_addresses"], "new_addresses": True}, set()),
        ({"read": "full", "purpose": "x", "fingerprints": True, "auto": False, "max_rf": 0x58}, set()),
        ({"read": "fields"}, {"fields"}),
        ({"fields": ["name"]}, {"fields"}),
        ({"read": "fields", "fields": ["fingerprints"]}, {"fields"}),
        ({"read": "full"}, {"purpose"}),
        ({"read": "verify", "auto": True}, {"auto"}),
        ({"read": "fields", "fields": ["name"], "fingerprints": True}, {"fingerprints"}),
        ({"read": "verify", "new_addresses": True}, {"new_addresses"}),
        ({"read": "fields", "fields": ["name"], "new_addresses": True}, {"new_addresses"}),
        ({"read": "presence", "lenient": True}, {"lenient"}),
        ({"read": "full", "purpose": "x", "lenient": True, "new_addresses": True}, {"lenient"}),
        ({"find_interval_s": 0.0}, {"find_interval_s"}),
        ({"find_interval_s": 60.0}, {"find_interval_s"}),
        ({"max_rf": 0}, {"max_rf"}),
        ({"max_rf": 256, "find_interval_s": 0.0, "auto": True}, {"max_rf", "find_interval_s", "auto"}),
    ],
    ids=lambda value: str(sorted(value)),  # a set prints its members in any order
)
def test_problems_are_told_by_key(own: dict[str, Any], wrong: set[str]) -> None:
    settings = msgspec.convert(own, IdCardSettings)
    assert set(settings.problems()) == wrong
    assert all(settings.problems().values())


@pytest.mark.parametrize("own", [{"read": "everything"}, {"fields": ["shoe_size"]}, {"colour": 1}], ids=str)
def test_unknown_words_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(own, IdCardSettings)


def test_what_needs_sealing() -> None:
    needs = {read: msgspec.convert({"read": read}, IdCardSettings).needs_sealing() for read in get_args(ReadMode)}
    assert needs == {"presence": False, "verify": False, "fields": True, "full": True}


def test_what_is_read_without_a_command() -> None:
    assert standing(IdCardSettings(read="verify")) is None
    assert standing(IdCardSettings(read="presence")) is None
    assert standing(IdCardSettings(read="full", auto=False)) is None
    want = standing(IdCardSettings(read="fields", fields=("name", "new_addresses")))
    assert want is not None
    assert (want.mode, want.addresses) == ("fields", True)


def test_what_a_command_reads() -> None:
    full = IdCardSettings(read="full", purpose="configured", fingerprints=True)
    with pytest.raises(Unsupported):
        armed(IdCardSettings(read="presence"), ReadCard())
    with pytest.raises(Unsupported):
        armed(IdCardSettings(read="presence"), ReadCard(number="1"))
    want = armed(full, ReadCard(number="1", purpose="asked"))
    assert (want.mode, want.purpose, want.fingerprints, want.addresses) == ("verify", "asked", False, False)
    assert armed(full, ReadCard()).purpose == "configured"
    assert armed(full, ReadCard(purpose="asked")).purpose == "asked"
    assert armed(IdCardSettings(), ReadCard()).mode == "verify"


def test_the_constructor_does_no_io() -> None:
    rig = Rig()
    SdtIdCardDriver(IdCardSettings(), rig)
    assert (rig.opened, rig.sent) == (0, [])
