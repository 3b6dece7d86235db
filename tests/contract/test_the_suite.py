"""The suite itself: it passes a driver from elsewhere, and notices each broken rule."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.project import ROOT

LONG_S, LIMIT_S, BROKEN_LIMIT_S = 180, 30, 5
PLACE = "tests.contract.bad_drivers:"

BROKEN = {
    "OPENS_IN_CONSTRUCTOR": "test_open.py::test_the_constructor_does_nothing[*]",
    "CANNOT_BE_INTERRUPTED": "test_poll.py::test_a_command_interrupts_a_waiting_poll[*]",
    "KEEPS_ITS_HANDLE": "test_open.py::test_after_close_it_opens_at_once[*]",
    "CLOSES_ONCE": "test_open.py::test_close_never_raises_and_may_come_at_any_time[*]",
    "READS_FOR_EVER": "test_poll.py::test_it_returns_in_time_when_the_device_shouts[*-noise]",
    "SEES_NO_UNPLUG": "test_unplug.py::test_while_a_poll_waits[*]",
    "LOGS_WHAT_IT_READS": "test_privacy.py::test_a_person_is_nowhere_but_in_sealed_fields[*]",
    "RAISES_WHAT_IT_READS": "test_privacy.py::test_a_person_is_nowhere_but_in_sealed_fields[*]",
    "SAYS_SOMETHING_ELSE": "test_vocabulary.py::test_its_events_fit_the_vocabulary[*]",
    "PUBLISHES_HALVES": "test_unplug.py::test_in_the_middle_of_what_the_device_says[*-4]",
    "LEAVES_A_THREAD": "test_open.py::test_after_close_it_opens_at_once[*]",
    "HAS_ITS_OWN_ERROR": "test_unplug.py::test_after_it_was_opened[*]",
    "HEARS_NO_CANCEL": "test_commands.py::test_a_cancel_is_honoured_at_once[*]",
    "DOES_WHATEVER_IT_IS_TOLD": "test_commands.py::test_an_unknown_command_is_refused[*]",
}
"""What is broken, and which test has to fail for it."""


def run(benches: list[str], tests: list[str], limit_s: int) -> tuple[int, str]:
    """Run *tests* over entries of ``bad_drivers``; return the exit code and the summary."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-o", f"timeout={limit_s}", *tests]
    command += [word for bench in benches for word in ("--bench", f"{PLACE}{bench}")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_a_good_driver_from_elsewhere_passes() -> None:
    code, told = run(["WORKS"], ["tests/contract"], LIMIT_S)
    assert code == 0, told
    assert "skipped" not in told


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_so_does_one_in_a_process_of_its_own() -> None:
    tests = [f"tests/contract/{name}.py" for name in ("test_poll", "test_unplug", "test_privacy")]
    code, told = run(["WORKS_ELSEWHERE"], tests, LIMIT_S)
    assert code == 0, told
    assert told.count("PASSED") > 8


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_every_broken_rule_is_noticed() -> None:
    tests = {bench: f"tests/contract/{test.replace('*', PLACE + bench)}" for bench, test in BROKEN.items()}
    code, told = run(list(BROKEN), list(tests.values()), BROKEN_LIMIT_S)
    assert code == 1, told
    assert set(re.findall(r"^FAILED (\S+\])", told, re.MULTILINE)) == set(tests.values()), told
