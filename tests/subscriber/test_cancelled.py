"""Who leaves while an answer of the broker is on its way is let go, also when it comes at that very moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.subscriber.address import Address
from edge.subscriber.link import Link, _Client
from tests.support.broker import Broker
from tests.support.wait import wait_until_async


@asynccontextmanager
async def connected(broker: Broker) -> AsyncIterator[_Client]:
    """A connection that stands, and whose answers are given by the test."""
    address = Address.parse(f"mqtt://127.0.0.1:{broker.port}", None)
    link = Link(address, "test-cancelled", {"#": False}, _nothing, lambda: None, session_expiry_s=0)
    async with link._connection() as client:  # noqa: SLF001
        client._client.on_publish = None  # noqa: SLF001
        yield client


async def _nothing(message: aiomqtt.Message) -> None:
    del message


async def test_a_publish(shared_broker: Broker) -> None:
    async with connected(shared_broker) as client:
        sending = asyncio.create_task(client.send("test/cancelled", b"", Properties(PacketTypes.PUBLISH)))
        await wait_until_async(lambda: client._answers)  # noqa: SLF001
        (answer,) = client._answers.values()  # noqa: SLF001
        answer.set_result(0)
        await _cancelled(sending)


async def test_whatever_aiomqtt_waits_for(shared_broker: Broker) -> None:
    async with connected(shared_broker) as client:
        for limit_s in (None, 5.0, float("inf")):
            answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            waiting = asyncio.ensure_future(client._wait_for(answer, limit_s))  # noqa: SLF001
            await asyncio.sleep(0)
            answer.set_result(0)
            await _cancelled(waiting)


async def test_and_is_told_when_none_comes(shared_broker: Broker) -> None:
    async with connected(shared_broker) as client:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with pytest.raises(aiomqtt.MqttError, match="timed out"):
            await client._wait_for(answer, 0.01)  # noqa: SLF001


async def _cancelled(task: asyncio.Future[int]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
