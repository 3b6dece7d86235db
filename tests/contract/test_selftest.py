"""Self-tests: the internal level disturbs nothing, a person is waited for and never told of, a cancel ends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec
import pytest

from edge.driver import Driver, Finding
from edge.errors import DeviceAbsent, DeviceLost, JobCancelled
from edge.jobs import SelftestJob
from edge.lanes.process import RemoteDriver
from edge.messages import catalogue
from edge.selftest.devices import LIMIT_S
from edge.selftest.model import Level
from tests.contract.desk import Desk
from tests.contract.harness import Call, HarnessPort, polled
from tests.contract.test_privacy import records, shown
from tests.support import canaries
from tests.support.wait import wait_until

SOON_S = 0.7
SHORT_S, PERSON_S = 1.6, 3.0


class Trial:
    """One self-test of an open driver."""

    def __init__(self, opened: tuple[Driver, HarnessPort], level: Level, limit_s: float | None = None) -> None:
        self.asked, self.found = list[str](), list[Finding]()
        self.driver, self.port = opened
        limit_s = LIMIT_S[level] if limit_s is None else limit_s
        self.job = SelftestJob(level, time.monotonic() + limit_s, ask=self.asked.append)
        self.job.wake = self.port.wake

    def begin(self) -> Call[None]:
        return Call(self._run)

    def _run(self) -> None:
        for finding in self.driver.selftest(self.job.level, self.job):
            self.found.append(msgspec.convert(msgspec.to_builtins(finding), Finding))

    def asks(self, call: Call[None]) -> bool:
        """Wait until a person is asked, or it has ended; return which."""
        wait_until(lambda: self.asked or call.ended, what="it asks or ends")
        return bool(self.asked)


def known(trial: Trial) -> bool:
    """Return whether everything that was said stands in the catalogue: a foreign driver's may be elsewhere."""
    codes = {*trial.asked, *(finding.code for finding in trial.found)}
    return codes <= set(catalogue())


@contextmanager
def written(port: HarnessPort) -> Iterator[set[bytes]]:
    """Yield what is written to a line meanwhile."""
    told: set[bytes] = set()
    port.on_write = told.add
    yield told
    port.on_write = lambda _: None


def test_the_internal_level_disturbs_nothing(desk: Desk) -> None:
    port = desk.port()
    driver = desk.driver(port)
    with written(port) as before:
        driver.open()
        polled(driver, lambda _: False, 0.3)
    trial = Trial((driver, port), "internal")
    with written(port) as meanwhile:
        began = time.monotonic()
        trial.begin().result()
        assert time.monotonic() - began < LIMIT_S["internal"]
    assert meanwhile <= before, "it asked the device what neither open nor poll asks it"
    assert not trial.asked
    assert known(trial)
    assert polled(driver, lambda _: False, 0.2) == []


def test_a_cancel_ends_it_at_once_and_the_device_goes_on(desk: Desk) -> None:
    trial = Trial(desk.opened(desk.bench.personal), "interactive")
    call = trial.begin()
    if trial.asks(call):
        began = time.monotonic()
        trial.job.cancel()
        with pytest.raises(JobCancelled):
            call.result()
        assert time.monotonic() - began < SOON_S
    else:
        call.result()
    assert known(trial)
    assert polled(trial.driver, lambda _: False, 0.2) == []


def test_its_deadline_is_kept(desk: Desk) -> None:
    trial = Trial(desk.opened(desk.bench.personal), "interactive", SHORT_S)
    began = time.monotonic()
    with suppress(JobCancelled):
        trial.begin().result()
    slack_s = trial.driver.poll_limit_s if isinstance(trial.driver, RemoteDriver) else SOON_S
    assert time.monotonic() - began < SHORT_S + slack_s
    assert known(trial)


def test_unplugged_in_the_middle(desk: Desk) -> None:
    trial = Trial(desk.opened(desk.bench.personal), "interactive")
    call = trial.begin()
    if not trial.asks(call):
        return  # it asks nobody, so it has no middle that a test could meet
    desk.unplug()
    pulled = time.monotonic()
    with pytest.raises((DeviceLost, DeviceAbsent, *desk.bench.may_end_with)):
        call.result()
    assert time.monotonic() - pulled < desk.bench.notices_s


def test_a_person_is_told_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Also at a test with one's own card, as technicians do it."""
    if desk.bench.personal is None or not desk.bench.people:
        return
    for line in desk.bench.people:
        trial = Trial(desk.opened(desk.bench.personal), "interactive", PERSON_S)
        call = trial.begin()
        assert trial.asks(call), "who reads people asks for one"
        desk.do(line)
        with suppress(JobCancelled):
            call.result()
        told = [("what was found", shown(finding)) for finding in trial.found]
        assert any(finding.result == "ok" for finding in trial.found[1:] or trial.found), "nobody was read"
        texts = canaries.of_line(f"device {line}")
        assert texts
        assert not canaries.found(texts, [*told, ("the driver", shown(trial.driver)), *records(caplog)])
        trial.driver.close()
        desk.unplug()
        desk.plug()


def test_what_is_taken_is_thrown_away(desk: Desk) -> None:
    if not desk.bench.pictures:
        return
    driver, port = desk.opened(desk.bench.personal)
    trial = Trial((driver, port), "external")
    trial.begin().result()
    assert any(finding.result == "ok" for finding in trial.found)
    assert desk.eventful(driver, port)
    assert not port._blobs, "a picture of the self-test came with the next event"  # noqa: SLF001


def test_one_that_tests_nothing_says_so() -> None:
    assert list(Driver.selftest(None, "internal", None)) == []  # type: ignore[arg-type]
