"""Opening a reader: its rate, its health, who it is; and letting go of it."""

from __future__ import annotations

import pytest

from drivers.idcard_sdt import SdtIdCardDriver
from edge.errors import DeviceError, DeviceFault, DeviceLost, DeviceProtocol, DeviceTimeout
from tests.drivers.idcard_rig import Rig, driver, polled, unopened

SAM_ID = "05.03-20140124-0001234567-0012345678"


def failure(rig: Rig, **settings: object) -> DeviceError:
    """Open a reader that cannot be opened; the link must be let go of."""
    made = unopened(rig, **settings)
    before = rig.now
    with pytest.raises(DeviceError) as caught:
        made.open()
    assert rig.closed == rig.opened == 1
    assert rig.now - before < made.poll_limit_s
    return caught.value


def test_open_tells_who_it_is() -> None:
    rig = Rig()
    info = unopened(rig).open()
    assert (info.model, info.serial, info.firmware) == ("SAM_V", SAM_ID, None)
    assert (rig.sent, rig.rate, rig.logged) == (["11ff", "12ff"], 115200, [])


def test_another_kind_of_security_module() -> None:
    assert unopened(Rig(sam_id="10.01-20200101-0000000001-0000000002")).open().model == "SAM 10.01"


@pytest.mark.parametrize("rate", [115200, 57600, 38400, 19200, 9600])
@pytest.mark.parametrize("manner", ["silent", "garbage"])
def test_the_rate_is_found(rate: int, manner: str) -> None:
    rig = Rig(baud=rate, wrong_baud=manner)
    assert unopened(rig).open().serial == SAM_ID
    assert rig.rate == rate


def test_the_rate_is_not_looked_for_when_told_so() -> None:
    rig = Rig(baud=9600)
    assert failure(rig, detect_baud=False).code == "IDC-101"
    assert rig.sent == ["11ff"]


def test_without_a_line_there_is_one_try() -> None:
    rig = Rig(baud=9600)
    rig.has_line = False
    assert isinstance(failure(rig), DeviceTimeout)
    assert rig.sent == ["11ff"]


def test_silence_at_all_rates() -> None:
    rig = Rig()
    rig.do("mute")
    error = failure(rig)
    assert (type(error), error.code, len(rig.sent)) == (DeviceTimeout, "IDC-101", 5)


ECHO, CUT, BAD_SUM = "aaaaaa9669000311ffed", "aaaaaa96690018000090" + "00" * 22, "aaaaaa966900040000009095"


@pytest.mark.parametrize("other", [ECHO, "81", CUT, "ff" * 3000, BAD_SUM], ids=["echo", "byte", "cut", "noise", "sum"])
def test_what_answers_is_another_device(other: str) -> None:
    rig = Rig()
    rig.do(f"replace {other} times=100")
    error = failure(rig)
    assert (type(error), error.code) == (DeviceProtocol, "IDC-102")


@pytest.mark.parametrize("code", ["60", "66"])
def test_a_reader_that_says_it_is_broken(code: str) -> None:
    rig = Rig()
    rig.do(f"selftest-bad {code}")
    error = failure(rig)
    assert (type(error), error.code) == (DeviceFault, f"IDC-1{code}")


@pytest.mark.parametrize("code", ["24", "21", "41"])
def test_any_other_status_is_a_warning(code: str) -> None:
    rig = Rig()
    rig.do(f"status {code} answer=11FF")
    assert unopened(rig).open().serial == SAM_ID
    assert rig.logged == [f"the reader's self-test is not right; going on {{'status': '{code}'}}"]


@pytest.mark.parametrize("code", ["10", "11"])
def test_damaged_requests_are_sent_again_twice(code: str) -> None:
    rig = Rig()
    rig.do(f"status {code} times=2")
    assert unopened(rig).open().serial == SAM_ID
    assert rig.sent == ["11ff", "11ff", "11ff", "12ff"]
    rig = Rig()
    rig.do(f"status {code} times=3")
    error = failure(rig)
    assert (type(error), error.code) == (DeviceProtocol, f"IDC-1{code}")


def test_a_late_answer_of_yesterday_is_not_todays() -> None:
    rig = Rig()
    rig.do("replace aaaaaa9669000800009f0000000097aaaaaa966900040000 9094 answer=11FF".replace("0000 90", "000090"))
    assert unopened(rig).open().serial == SAM_ID


def test_the_largest_rf_frame_is_sent_once() -> None:
    rig = Rig()
    unopened(rig, max_rf=0x50).open()
    assert rig.sent == ["11ff", "61ff", "12ff"]
    assert rig.logged == []


@pytest.mark.parametrize("trouble", ["status 21 answer=61FF", "truncate 3 answer=61FF", "truncate 0 answer=61FF"])
def test_a_reader_that_does_not_take_it(trouble: str) -> None:
    rig = Rig()
    rig.do(trouble)
    assert unopened(rig, max_rf=0x50).open().serial == SAM_ID
    assert rig.logged == ["the reader does not take max_rf; going on {'max_rf': 80}"]


def test_a_reader_without_a_sam_id_works() -> None:
    rig = Rig()
    rig.do("status 21 answer=12FF times=1000")
    made = unopened(rig)
    assert made.open().serial is None
    rig.do("insert resident seed=1")
    rig.do("truncate 0 answer=2001")
    assert len(polled(made)) == 1


@pytest.mark.parametrize(("trouble", "code"), [("truncate 0", "IDC-103"), ("truncate 9", "IDC-104")])
def test_a_reader_that_falls_silent_before_it_said_who_it_is(trouble: str, code: str) -> None:
    rig = Rig()
    rig.do(f"{trouble} answer=12FF times=9")
    assert failure(rig).code == code


def test_the_cable_is_pulled_while_opening() -> None:
    rig = Rig()
    rig.do("unplug-after 5 answer=12FF")
    assert isinstance(failure(rig), DeviceLost)


def test_close_is_idempotent_and_open_works_at_once_again() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do("insert resident seed=1")
    assert len(polled(made)) == 1
    for _ in range(3):
        made.close()
    assert rig.closed == 1
    with pytest.raises(DeviceLost):
        polled(made)
    assert made.open().serial == SAM_ID
    assert len(polled(made)) == 1, "after opening, the card is new"


def test_close_before_open() -> None:
    rig = Rig()
    unopened(rig).close()
    assert rig.closed == 0


def test_opening_again_lets_go_of_the_old_link() -> None:
    rig = Rig()
    made = driver(rig)
    made.open()
    assert (rig.opened, rig.closed) == (2, 1)


def test_logs_hold_no_serial_number() -> None:
    rig = Rig()
    rig.do("status 24 answer=11FF")
    unopened(rig, max_rf=0x50).open()
    assert SAM_ID[6:] not in str(rig.logged)


def test_the_module_defines_one_driver() -> None:
    assert SdtIdCardDriver.kind == "id-card"
    assert SdtIdCardDriver.public_traffic is False
