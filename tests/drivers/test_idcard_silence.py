"""Silence is not health, no pass takes for ever, and no error or log names a person."""

from __future__ import annotations

import contextlib

import pytest

from edge.errors import DeviceError, DeviceProtocol, DeviceTimeout
from simulators.people import citizen
from tests.drivers.idcard_rig import Rig, driver, polled
from tests.drivers.test_idcard_faults import CARD, ONCE, SOON, laid


@pytest.mark.parametrize("command", ["", *SOON])
def test_silence(command: str) -> None:
    rig = Rig()
    made = laid(rig)
    if command:
        rig.then(command, "mute")
    else:
        rig.do("mute")
    before = rig.now
    with pytest.raises(DeviceTimeout) as caught:
        polled(made, 3)
    assert caught.value.code == "IDC-103"
    assert rig.now - before < made.poll_limit_s


def test_a_find_is_asked_twice_before_silence_counts() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do("truncate 0 answer=2001")
    assert polled(made) == []
    rig.do("mute")
    with pytest.raises(DeviceTimeout):
        polled(made)


def test_answers_that_stay_damaged() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do("wrong-checksum times=100")
    with pytest.raises(DeviceProtocol) as caught:
        polled(made)
    assert caught.value.code == "IDC-104"


def test_the_longest_pass_is_within_the_limit() -> None:
    """Records that take their whole time and are cut short, and probes that come late."""
    rig = Rig(requires_removal=0, read_time=5.4)
    made = laid(rig, fingerprints=True, new_addresses=True)
    rig.do("truncate 2300 answer=3010 times=9")
    rig.do("late 1.9 answer=3003 times=9")
    for _ in range(5):
        before = rig.now
        with contextlib.suppress(DeviceTimeout):
            polled(made)
        assert rig.now - before < made.poll_limit_s


# --- nothing personal escapes --------------------------------------------------------------------


@pytest.mark.parametrize("fault", [*ONCE, "status 41 times=4", "unplug-after 900", "status 60"])
@pytest.mark.parametrize("times", [1, 100])
def test_no_error_and_no_log_names_a_person(fault: str, times: int) -> None:
    rig = Rig(requires_removal=0)
    made = laid(rig, new_addresses=True)
    rig.do(f"{fault.replace(' times=4', '')} answer=3001 times={times}")
    card = citizen(CARD)
    said = ""
    try:
        said = repr(polled(made, 3))
    except DeviceError as error:
        said = f"{error!r} {error} {error.__dict__}"
    said += repr(rig.logged) + repr(vars(made))
    for secret in (card.name, card.number, card.address, card.addresses[0], card.photo[:8].hex()):
        assert secret not in said
