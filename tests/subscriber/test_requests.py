"""Requests: one completion each, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from edge.events import Evaluate
from edge.subscriber import Address, BadArgument, Reply, Requester, RequestError
from tests.subscriber.fake_window import FakeWindow, completed
from tests.subscriber.test_subscriber import subscriber
from tests.support.broker import Broker
from tests.support.wait import wait_until_async

NUMBER = "11010519491231002X"


def requester(broker: Broker, window: FakeWindow) -> Requester:
    return Requester(Address.parse(f"mqtt://127.0.0.1:{broker.port}", None), name="case-system", hall=window.hall)


async def test_a_request_gets_its_progress_and_one_completion(shared_broker: Broker) -> None:
    window, steps = FakeWindow(), list[Reply]()
    async with window.online(shared_broker.port), requester(shared_broker, window) as own:
        end = await own.request(
            "w03", "pad-1", "evaluate", {"timeout_s": 20}, timeout_s=9.5, case="A-1", on_progress=steps.append
        )
    assert end.ok
    assert end.data == {"echo": 1}
    assert [(step.reply, step.text_code) for step in steps] == [("ack", None), ("progress", "working")]
    (request,) = window.requests
    assert (request.topic, request.sealed, request.expiry_s) == ("pad-1/evaluate", False, 10)
    assert (request.body["params"], request.body["case"]) == ({"timeout_s": 20}, "A-1")
    assert request.correlation.decode() == request.body["request_id"]


async def test_a_subscriber_asks_while_it_takes_events(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window) as own:
        await wait_until_async(lambda: own.connected, 15)
        await window.rate(1)
        async for event in own:
            params = Evaluate(timeout_s=5)
            assert (await own.request(f"{event.hall}/{event.window}", event.device, "evaluate", params)).ok
            break
    assert window.requests[0].body["params"] == {"timeout_s": 5}


async def test_personal_parameters_travel_sealed(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with window.online(shared_broker.port), requester(shared_broker, window) as own:
        assert (await own.request("w03", "id-1", "read", {"number": NUMBER, "purpose": "test"})).ok
        assert (await own.request("w03", "id-1", "read", {"purpose": "test"})).ok
    sealed, plain = window.requests
    assert (sealed.sealed, sealed.body["params"]["number"]) == (True, NUMBER)
    assert not plain.sealed
    assert NUMBER not in shared_broker.log_text()


async def test_an_end_other_than_ok_says_why(shared_broker: Broker) -> None:
    def refuses(_: dict[str, Any]) -> Iterable[dict[str, Any]]:
        error = {"code": "CMD-103", "message": "there is no such device", "action": "look at its status"}
        yield {"reply": "completion", "code": "refused", "error": error}

    window = FakeWindow()
    window.answer = refuses
    async with window.online(shared_broker.port), requester(shared_broker, window) as own:
        end = await own.request("w03", "pad-9", "evaluate")
    assert (end.ok, end.code) == (False, "refused")
    assert end.error is not None
    assert end.error.code == "CMD-103"
    assert repr(end) == "<Completion refused>"


async def test_a_request_is_sent_again_after_the_broker_was_killed(broker: Broker) -> None:
    def silent(_: dict[str, Any]) -> Iterable[dict[str, Any]]:
        return ()

    window = FakeWindow()
    async with requester(broker, window) as own:
        async with window.online(broker.port):
            window.answer = silent
            asking = asyncio.create_task(own.request("w03", "pad-1", "evaluate", timeout_s=30))
            await wait_until_async(lambda: window.requests, 15, "the window has it")
            broker.kill()
        broker.start()
        window.answer = completed
        async with window.online(broker.port):
            assert (await asking).ok
    assert len({request.body["request_id"] for request in window.requests}) == 1


async def test_a_window_that_is_offline_is_told_at_once(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with requester(shared_broker, window) as own:
        async with window.online(shared_broker.port):
            pass
        with pytest.raises(RequestError, match=f"SUB-105: window {window.full_name} is offline"):
            await own.request("w03", "pad-1", "evaluate")


@pytest.mark.slow
async def test_a_window_never_heard_of_is_told_after_a_while(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with requester(shared_broker, window) as own:
        with pytest.raises(RequestError, match=r"SUB-105: window .* has never been online"):
            await own.request("w03", "pad-1", "evaluate")


@pytest.mark.slow
async def test_no_completion_in_time_is_an_error_that_promises_nothing(shared_broker: Broker) -> None:
    window = FakeWindow()
    window.answer = lambda _: ()
    async with window.online(shared_broker.port), requester(shared_broker, window) as own:
        with pytest.raises(RequestError, match="SUB-106: no completion of evaluate"):
            await own.request("w03", "pad-1", "evaluate", timeout_s=0.1)


async def test_leaving_ends_what_is_under_way(shared_broker: Broker) -> None:
    window = FakeWindow()
    window.answer = lambda _: ()
    async with window.online(shared_broker.port):
        async with requester(shared_broker, window) as own:
            asking = asyncio.create_task(own.request("w03", "pad-1", "evaluate"))
            await wait_until_async(lambda: window.requests, 15, "the window has it")
        with pytest.raises(RequestError, match="closed"):
            await asking


async def test_a_bug_of_the_progress_callback_comes_back_to_its_caller(shared_broker: Broker) -> None:
    def buggy(_: Reply) -> None:
        raise ZeroDivisionError

    window = FakeWindow()
    async with window.online(shared_broker.port), requester(shared_broker, window) as own:
        with pytest.raises(ZeroDivisionError):
            await own.request("w03", "pad-1", "evaluate", on_progress=buggy)
        assert (await own.request("w03", "pad-1", "evaluate")).ok


async def test_replies_of_others_and_retained_ones_are_no_answer(shared_broker: Broker) -> None:
    window = FakeWindow()
    window.answer = lambda _: ()
    async with window.online(shared_broker.port), requester(shared_broker, window) as own:
        asking = asyncio.create_task(own.request("w03", "pad-1", "evaluate"))
        await wait_until_async(lambda: window.requests, 15, "the window has it")
        request_id = window.requests[0].body["request_id"]
        forged = json.dumps({"request_id": request_id, "reply": "completion", "code": "cancelled"}).encode()
        await window.publish("reply/case-system/another", forged)
        await window.publish(f"reply/case-system/{request_id}", b"{")
        await window.publish(f"reply/case-system/{request_id}", forged.replace(b"cancelled", b"ok"))
        assert (await asking).ok


@pytest.mark.parametrize(("window", "device"), [("w/0/3", "pad-1"), ("w03", "pad/1"), ("+", "pad-1")])
async def test_a_name_that_cannot_stand_in_a_topic_is_refused(window: str, device: str) -> None:
    own = Requester(Address.parse("mqtt://127.0.0.1:1", None), name="a", hall="h")
    with pytest.raises(BadArgument):
        await own.request(window, device, "evaluate")
