"""A request's life: ack, progress, exactly one completion on every path, the same answer when it comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from edge.driver import Job
from edge.errors import DeviceLost, StoreError, Unsupported
from edge.events import Payload, TimedOut
from edge.lanes import thread
from tests.core.commands_rig import CARD, PAD, Session, counter, request
from tests.core.drivers_rig import Hang, Patient, fails
from tests.core.samples import CANARY
from tests.support.contract import faults
from tests.support.wait import wait_until_async

MOST = 8


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread, "WAIT_S", 0.05)
    monkeypatch.setattr(thread, "_WATCH_S", 0.02)
    monkeypatch.setattr(Patient, "poll_limit_s", 0.1)


async def begun(session: Session | Hang) -> None:
    assert await asyncio.to_thread(session.begun.wait, 5)


# --- one completion ------------------------------------------------------------------------------


async def test_ack_progress_and_completion_in_their_order(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        asked = desk.ask(params={"timeout_s": 5})
        await begun(session)
        session.end.set()
        end = await desk.end(asked)
        ack, progress, _ = desk.replies(asked)
        assert (ack["reply"], ack["position"]) == ("ack", 0)
        assert (progress["reply"], progress["text_code"], progress["step"], progress["of"]) == (
            "progress",
            "asked",
            1,
            2,
        )
        assert end["code"] == "ok"
        (row,) = desk.outbox.between(1, 9).result()
        assert end["events"] == [{"id": row.id, "seq": "1", "type": "hall.evaluation-pad.timed-out.v1"}]
        for body in desk.replies(asked):
            assert not faults("reply.json", body)
        assert all(message.correlation == asked.encode() for message in desk.sent)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (Unsupported("not this one"), "unsupported", "CMD-104"),
        (DeviceLost("pulled out"), "device-error", "DEV-105"),
        (StoreError("full"), "device-error", "STO-100"),
        (ValueError(CANARY), "device-error", "DRV-101"),
        (SystemExit(CANARY), "device-error", "DRV-101"),
        (NotImplementedError(CANARY), "device-error", "DRV-101"),
    ],
)
async def test_every_failure_is_one_completion(tmp_path: Path, error: BaseException, code: str, told: str) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = fails(error)
        end = await desk.end(desk.ask())
        assert (end["code"], end["error"]["code"]) == (code, told)
        assert CANARY not in str(end)
        await wait_until_async(lambda: desk.devices[PAD].usable)
        desk.pad.on_execute = lambda _job: ()
        assert (await desk.end(desk.ask()))["code"] == "ok"


async def test_events_before_a_failure_are_named(tmp_path: Path) -> None:
    def execute(job: Job) -> Iterator[Payload]:
        yield TimedOut(session=job.request_id, waited_ms=1)
        raise DeviceLost("pulled out")

    async with counter(tmp_path) as desk:
        desk.pad.on_execute = execute
        end = await desk.end(desk.ask())
        assert end["code"] == "device-error"
        assert [event["seq"] for event in end["events"]] == ["1"]


async def test_a_device_that_goes_away_completes_what_waits_for_it(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        asked = [desk.ask() for _ in range(4)]
        await begun(session)
        session.end.set()  # the first one ends well, then the line is gone
        desk.pad.on_execute = fails(DeviceLost("pulled out"))
        ends = [await desk.end(one) for one in asked]
        assert [end["code"] for end in ends] == ["ok", "device-error", "device-error", "device-error"]
        assert {end["error"]["message"] for end in ends[1:]} == {"pulled out"}
        assert [reply["position"] for one in asked for reply in desk.replies(one)[:1]] == [0, 1, 2, 3]


async def test_a_hung_driver_completes_once_and_late_words_are_not_heard(tmp_path: Path) -> None:
    hang = Hang()

    def execute(job: Job) -> Iterable[Payload]:
        hang()
        job.report("late")
        return [TimedOut(session=job.request_id, waited_ms=1)]

    async with counter(tmp_path) as desk:
        driver = desk.pad
        driver.on_execute = execute
        asked = desk.ask()
        assert (await desk.end(asked))["error"]["code"] == "DRV-104"
        hang.let_go()
        await wait_until_async(lambda: driver.calls[-1:] == ["close"])
        assert len(desk.replies(asked)) == 2
        assert desk.outbox.head == 0
        await wait_until_async(lambda: desk.devices[PAD].usable)
        assert (await desk.end(desk.ask()))["code"] == "ok"


async def test_a_bug_of_ours_is_answered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with counter(tmp_path) as desk:
        monkeypatch.setattr(desk.commands, "_begin", lambda *_: 1 // 0)
        end = await desk.end(desk.ask())
        assert (end["code"], end["error"]["code"]) == ("invalid", "SYS-106")


async def test_a_store_that_fails_does_not_swallow_completions(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        asked = desk.ask()
        await begun(session)
        desk.outbox.close()
        session.end.set()
        assert (await desk.end(asked))["code"] == "device-error"
        assert (await desk.end(desk.ask("window", "case-open", {"case": "1"})))["code"] == "ok"


# --- cancel and deadline -------------------------------------------------------------------------


async def test_cancel_ends_one_or_all(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        asked = [desk.ask() for _ in range(3)]
        await begun(session)
        end = await desk.end(desk.ask(PAD, "cancel", {"request_id": asked[1]}))
        assert (end["code"], end["data"]) == ("ok", {"cancelled": 1})
        assert (await desk.end(asked[1]))["code"] == "cancelled"  # though the first one still runs
        assert not desk.ends(asked[0])
        other = await desk.end(desk.ask(CARD, "cancel"))
        assert other["data"] == {"cancelled": 0}
        assert (await desk.end(desk.ask(PAD, "cancel")))["data"] == {"cancelled": 2}
        assert [(await desk.end(asked[n]))["code"] for n in (0, 2)] == ["cancelled", "cancelled"]
        assert desk.executed == 1


async def test_a_deadline_ends_what_runs_and_what_waits(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        first = desk.ask(deadline_s=20)
        await begun(session)
        waiting = desk.ask(deadline_s=0.2)
        assert (await desk.end(waiting))["code"] == "timed-out"
        assert not desk.ends(first)
        session.end.set()
        assert (await desk.end(first))["code"] == "ok"
        desk.pad.on_execute = Session()
        late = await desk.end(desk.ask(deadline_s=0.1))
        assert (late["code"], late["error"]["code"]) == ("timed-out", "CMD-107")


async def test_the_ninth_is_told_busy(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        asked = [desk.ask() for _ in range(MOST)]
        end = await desk.end(desk.ask())
        assert (end["code"], end["error"]["code"]) == ("busy", "CMD-105")
        assert (await desk.end(desk.ask(CARD, "read")))["code"] == "ok"  # another device has its own queue
        session.end.set()
        assert {(await desk.end(one))["code"] for one in asked} == {"ok"}
        assert (await desk.end(desk.ask()))["code"] == "ok"


async def test_what_is_ended_before_it_begins_keeps_no_place(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        running = desk.ask()
        await begun(session)
        for _ in range(5 * MOST):
            asked = desk.ask()
            desk.ask(PAD, "cancel", {"request_id": asked})
            assert (await desk.end(asked))["code"] == "cancelled"
        session.end.set()
        assert (await desk.end(running))["code"] == "ok"
        assert desk.executed == 1


# --- the same request again ----------------------------------------------------------------------


async def test_a_request_that_comes_again_does_nothing(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        asked = desk.ask()
        await begun(session)
        desk.ask(request_id=asked)
        assert [body["reply"] for body in desk.replies(asked)].count("ack") == 2
        session.end.set()
        end = await desk.end(asked)
        desk.ask(CARD, "read", request_id=asked)  # even another command: its name is used
        assert desk.ends(asked) == [end, end]
        assert desk.executed == 1


async def test_completions_are_known_after_a_restart(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = fails(Unsupported("no"))
        asked = desk.ask()
        end = await desk.end(asked)
        opened = desk.ask("window", "case-open", {"case": "1"})
        await desk.end(opened)
    async with counter(tmp_path) as desk:
        desk.ask(request_id=asked)
        desk.ask("window", "case-open", {"case": "2"}, request_id=opened)
        assert await desk.end(asked) == end
        assert (await desk.end(opened))["data"] == {"case": "1"}
        assert desk.executed == 0


async def test_what_the_end_of_the_daemon_cut_off_does_not_run_again(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = session = Session()
        asked = desk.ask()
        await begun(session)
        desk.outbox.close()  # as a kill: nothing that comes later is stored
    async with counter(tmp_path) as desk:
        desk.ask(request_id=asked)
        end = await desk.end(asked)
        assert (end["code"], end["error"]["code"]) == ("device-error", "CMD-109")
        assert desk.executed == 0


async def test_no_more_than_a_thousand_are_remembered(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        names = [desk.ask("window", "case-open", {"n": number}) for number in range(1100)]
        await desk.end(names[-1])
        assert desk.outbox.call(lambda db: db.execute("SELECT count(*) FROM request").fetchone()).result() == (1000,)
    async with counter(tmp_path) as desk:
        desk.ask("window", "case-open", {"n": "again"}, request_id=names[0])
        desk.ask("window", "case-open", {"n": "again"}, request_id=names[-1])
        assert (await desk.end(names[0]))["data"] == {"n": "again"}
        assert (await desk.end(names[-1]))["data"] == {"n": 1099}


# --- the end of the daemon -----------------------------------------------------------------------


async def test_the_end_of_the_daemon_completes_everything(tmp_path: Path) -> None:
    hang = Hang()
    async with counter(tmp_path) as desk:
        desk.pad.on_execute = hang
        asked = [desk.ask() for _ in range(3)]
        await begun(hang)
        await desk.commands.drain(0.05)
        assert [(await desk.end(one))["code"] for one in asked] == ["cancelled"] * 3
        hang.let_go()


async def test_a_flood_is_dropped_and_not_kept(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        flood = [request("pad-9") for _ in range(2000)]
        for message in flood:  # the event loop stands still meanwhile
            desk.commands.hear(message)
        assert desk.commands.dropped == 2000 - 256
        await wait_until_async(lambda: len(desk.sent) == 256)
        desk.commands.hear(request(PAD, "cancel"))
        await wait_until_async(lambda: len(desk.sent) == 257)
