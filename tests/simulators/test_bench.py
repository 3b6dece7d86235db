"""The bench itself: many devices, complaints, and nothing left behind."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest

from simulators.bench import Bench, BenchClosed
from simulators.words import ScenarioError
from tests.simulators.host import RECORD_SIZE, Host, sdt

NO_CARD = bytes.fromhex("AAAAAA9669000400008084")


def test_closing_and_opening_again_costs_nothing(bench: Bench, reader: Host) -> None:
    path = bench.path("id-1")
    reader.close()
    for _ in range(5):
        with Host(path) as host:
            assert host.ask("2001", 11) == NO_CARD
    before = time.process_time()
    with pytest.raises(TimeoutError, match="commands is 5, not 6"):
        bench.wait_count("id-1", "commands", 6, within_s=0.3)
    assert time.process_time() - before < 0.1


def test_many_devices_in_one_thread(bench: Bench) -> None:
    threads = threading.active_count()
    hosts = [Host(bench.add(f"id-{n}", "idcard_sdt")) for n in range(8)]
    for _ in range(20):
        for host in hosts:
            host.write(sdt("2001"))
        assert [host.read(11) for host in hosts] == [NO_CARD] * 8
    assert threading.active_count() == threads
    for host in hosts:
        host.close()


def test_the_people_of_two_readers_differ_and_come_again(tmp_path: Path) -> None:
    def records(seed: int) -> list[bytes]:
        found = []
        with Bench(tmp_path, seed) as bench:
            for name in ("id-1", "id-2"):
                with Host(bench.add(name, "idcard_sdt")) as host:
                    bench.do(f"{name} insert resident")
                    host.select_card()
                    found.append(host.ask("3001", RECORD_SIZE))
        return found

    first = records(1)
    assert first[0] != first[1]
    assert records(1) == first
    assert records(2) != first


def test_wait_takes_its_time(bench: Bench) -> None:
    started = time.monotonic()
    bench.do("wait 0.1")
    assert time.monotonic() - started >= 0.1
    bench.do("")
    bench.do("  # nothing")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("id-2 plug", "unknown device or word 'id-2'; did you mean 'id-1'?"),
        ("id-1 insrt resident", "unknown action of id-1 (idcard_sdt) 'insrt'; did you mean 'insert'?"),
        ("id-1", "The action is missing"),
        ("id-1 plug in", "one word too many"),
        ("wait", "wait takes one number"),
        ("wait long", "wait must be seconds"),
        ("repeat 3", "belongs into a scenario"),
        ('id-1 insert "resident', "unfinished quotation"),
        ("id-1 unmute 3", "one word too many"),
    ],
)
def test_wrong_lines_are_refused(bench: Bench, line: str, complaint: str) -> None:
    bench.add("id-1", "idcard_sdt")
    for method in (bench.check, bench.do):
        with pytest.raises(ScenarioError, match=re.escape(complaint)):
            method(line)


def test_wrong_devices_are_refused(bench: Bench) -> None:
    bench.add("id-1", "idcard_sdt")
    with pytest.raises(ScenarioError, match="there already"):
        bench.add("id-1", "idcard_sdt")
    with pytest.raises(ScenarioError, match="did you mean 'pad_serial'"):
        bench.add("pad-1", "pad_seral")
    with pytest.raises(ScenarioError, match="did you mean 'requires-removal'"):
        bench.add("id-2", "idcard_sdt", require_removal=False)
    for name in ("wait", "a/b", "", ".x"):
        with pytest.raises(ScenarioError, match="name of a device"):
            bench.add(name, "idcard_sdt")
    with pytest.raises(ScenarioError, match="unknown device"):
        bench.path("id-9")
    bench.path("id-1").unlink()
    bench.do("id-1 unplug")
    bench.path("id-1").write_text("a file")
    with pytest.raises(ScenarioError, match="cannot plug id-1"):
        bench.do("id-1 plug")


def test_closing_wakes_whoever_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = bench.add("pad-1", "pad_serial")
    ends: list[BaseException] = []

    def wait() -> None:
        try:
            bench.do("pad-1 wait-request")
        except BenchClosed as error:
            ends.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    bench.close()
    bench.close()
    waiter.join(5)
    assert len(ends) == 1
    assert not path.is_symlink()
    with pytest.raises(BenchClosed):
        bench.do("pad-1 press 5")
    with pytest.raises(BenchClosed):
        bench.add("pad-2", "pad_serial")


def test_a_bug_in_a_model_is_told_to_the_next_caller(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bench.add("id-1", "idcard_sdt")
    monkeypatch.setattr("simulators.idcard_sdt.cut_request", lambda _: 1 / 0)
    with Host(path) as host:
        host.write(b"x")
        with pytest.raises(RuntimeError, match="has died"):
            bench.wait_count("id-1", "commands")
