"""Every state of every kind of device, on the unmodified daemon: its own code, its own action, in both languages."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product

import pytest

from edge.messages import catalogue, remedy, sentence
from edge.selftest.model import Check
from tests.selftest.state_rig import States, name_of
from tests.selftest.state_table import CANNOT_BE, CELLS, KINDS, STATES, Kind, State
from tests.support.broker import Broker
from tests.support.window import WindowUnderTest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Check]]:
    """All devices of the table in two windows, tested once: those that take long to show it, beside the others."""
    slow = {place: cell for place, cell in CELLS.items() if cell.slow}
    with ExitStack() as stack:
        both = []
        for cells in (slow, {place: cell for place, cell in CELLS.items() if not cell.slow}):
            broker = stack.enter_context(Broker(tmp_path_factory.mktemp("broker")))
            window = WindowUnderTest(tmp_path_factory.mktemp("w"), broker)
            stack.callback(window.close)
            both.append(States(window, tmp_path_factory.mktemp("s"), stack, cells))
            both[-1].begin()
        return both[1].tested() | both[0].tested()


def told(check: Check) -> tuple[str, str]:
    """Return a check's action in Chinese and in English."""
    return remedy(check.code, check.action, "zh"), remedy(check.code, check.action, "en")


def test_the_table_is_whole() -> None:
    every = set(product(KINDS, STATES))
    assert CELLS.keys() | CANNOT_BE.keys() == every
    assert not CELLS.keys() & CANNOT_BE.keys()
    assert all(CANNOT_BE.values())


def test_every_state_has_its_code_and_its_action(checks: dict[str, list[Check]], subtests: pytest.Subtests) -> None:
    """One test: the two windows of the table are dear to make."""
    for kind, state in CELLS:
        with subtests.test(name_of(kind, state)):
            _has_its_code_and_its_action(checks, kind, state)
    for kind in KINDS:
        with subtests.test(kind):
            _no_two_states_look_the_same(checks, kind)
    with subtests.test("who holds it"):
        _who_holds_a_device_is_named(checks)
    with subtests.test("whose it is"):
        _what_may_not_be_opened_is_told_with_its_owner(checks)


def _has_its_code_and_its_action(checks: dict[str, list[Check]], kind: Kind, state: State) -> None:
    cell = CELLS[kind, state]
    check = checks[name_of(kind, state)][-1 if cell.level == "external" else 0]
    assert (check.code, check.result) == (cell.code, "fail")
    assert check.details.get("state", cell.shows) == cell.shows
    entry = catalogue()[check.code]
    zh, en = sentence(check.code, check.seen, "zh"), sentence(check.code, check.seen, "en")
    assert zh
    assert en
    assert zh != en
    assert not zh.isascii()
    action_zh, action_en = told(check)
    assert action_en
    assert not action_zh.isascii()
    assert entry.zh.effect
    assert entry.en.effect


def _no_two_states_look_the_same(checks: dict[str, list[Check]], kind: Kind) -> None:
    found = {state: checks[name_of(kind, state)][-1] for state in STATES if (kind, state) in CELLS}
    codes = {state: check.code for state, check in found.items()}
    assert len(set(codes.values())) == len(codes), codes
    for number in (0, 1):
        actions = {state: told(check)[number] for state, check in found.items()}
        assert len(set(actions.values())) == len(actions), actions


def _who_holds_a_device_is_named(checks: dict[str, list[Check]]) -> None:
    for name in ("id-held", "pad-held"):
        (check,) = checks[name]
        assert "python" in check.seen
        assert "(pid " in check.action


def _what_may_not_be_opened_is_told_with_its_owner(checks: dict[str, list[Check]]) -> None:
    (check,) = checks["id-denied"]
    assert check.details["mode"] == "c---------"
    assert {"owner", "group", "user", "node"} <= check.details.keys()
