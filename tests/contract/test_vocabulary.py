"""What a driver says and is told: its settings, its events, within the vocabulary of ``edge.events``."""

from __future__ import annotations

import msgspec
import pytest

from edge.driver import Driver, Settings
from edge.envelope import BadPayload, Draft, EnvelopeRenderer
from edge.events import EVENTS, KINDS, Rated
from tests.contract.desk import Desk


class Envelope:
    """Stands in for the sealer: what a back office would get is checked elsewhere."""

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        return plain + aad


def test_what_it_declares_is_of_the_right_kind(desk: Desk) -> None:
    driver = desk.bench.driver_type
    assert issubclass(driver, Driver)
    assert driver.kind in KINDS
    assert issubclass(driver.settings_type, Settings)
    assert driver.poll_limit_s > 0
    made = desk.bench.bare(desk.absent_port())
    assert made.proof_s is None or made.proof_s > 0


def test_settings_refuse_what_they_do_not_know(desk: Desk) -> None:
    settings = desk.bench.driver_type.settings_type
    msgspec.convert(dict(desk.bench.settings), settings)
    with pytest.raises(msgspec.ValidationError, match="no_such_key"):
        msgspec.convert({**desk.bench.settings, "no_such_key": 1}, settings)


def test_settings_say_whether_a_person_is_in_the_events(desk: Desk) -> None:
    made = desk.bench.bare(desk.absent_port(), desk.bench.personal)
    assert made.settings.needs_sealing() == (desk.bench.personal is not None)
    assert desk.bench.driver_type.public_traffic <= (desk.bench.personal is None)


def test_its_events_fit_the_vocabulary(desk: Desk) -> None:
    renderer = EnvelopeRenderer("hall", "w01", sealer=Envelope())
    lines = [desk.bench.event, *((line,) for line in desk.bench.people)]
    for number, line in enumerate(lines):
        driver, port = desk.opened(desk.bench.personal)
        events = desk.eventful(driver, port, lines=line)
        driver.close()
        assert events, line
        for event in events:
            assert type(event) in EVENTS
            assert event.kind == driver.kind
            row = renderer.render(Draft("device", event), number + 1, 1)
            assert (row.sealed is not None) == bool(event.hidden())


def test_the_check_of_the_vocabulary_checks() -> None:
    wrong = Rated(session="no uuid", level=9, dwell_ms=-1)
    with pytest.raises(BadPayload):
        EnvelopeRenderer("hall", "w01").render(Draft("device", wrong), 1, 1)
