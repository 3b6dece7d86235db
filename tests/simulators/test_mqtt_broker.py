"""The faulty broker is a broker: the same checks, by paho and aiomqtt, against it and against mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulators.mqtt_broker import MqttBroker
from simulators.mqtt_broker_sessions import matches, valid_filter
from tests.support.broker import Broker
from tests.support.wait import wait_until

MakeClient = Callable[..., Any]


@pytest.fixture(params=["ours", "mosquitto"])
def port(request: pytest.FixtureRequest, shared_broker: Broker) -> Iterator[int]:
    """Lend the port of either broker."""
    if request.param == "mosquitto":
        yield shared_broker.port
        return
    with MqttBroker() as broker:
        yield broker.port


class Client:
    """A paho client in a thread, with what it heard."""

    def __init__(self, name: str, **given: int) -> None:
        self.heard: list[tuple[str, bytes, int, bool]] = []
        self.acked: list[int] = []
        self.connack: list[tuple[bool, int, Any]] = []
        self.ended: list[int] = []
        self.subacks: list[list[int]] = []
        self._name, self._given = name, given
        self.paho = self._made()

    def _made(self) -> paho.Client:
        """Return a fresh paho client: one that was used keeps handles open until it is collected."""
        made = paho.Client(CallbackAPIVersion.VERSION2, self._name, protocol=paho.MQTTv5)
        made.max_inflight_messages_set(0)  # else QoS 0 overtakes QoS 1
        made.reconnect_delay_set(60, 60)
        made.on_connect = lambda _c, _u, flags, reason, more: self.connack.append(
            (flags.session_present, reason.value, more)
        )
        made.on_message = lambda _c, _u, got: self.heard.append((got.topic, bytes(got.payload), got.qos, got.retain))
        made.on_publish = lambda _c, _u, _mid, reason, _p: self.acked.append(reason.value)
        made.on_disconnect = lambda _c, _u, _flags, reason, _p: self.ended.append(reason.value)
        made.on_subscribe = lambda _c, _u, _mid, reasons, _p: self.subacks.append([one.value for one in reasons])
        return made

    def connect(self, port: int, *, clean: bool = True) -> None:
        wanted = Properties(PacketTypes.CONNECT)
        for name, value in self._given.items():
            setattr(wanted, name, value)
        known = len(self.connack)
        self.paho.connect("127.0.0.1", port, 30, clean_start=clean, properties=wanted)
        self.paho.loop_start()
        wait_until(lambda: len(self.connack) > known, what="a CONNACK")

    def subscribe(self, wanted: str, **options: Any) -> list[int]:
        known = len(self.subacks)
        self.paho.subscribe([(wanted, SubscribeOptions(**{"qos": 1, **options}))])
        return wait_until(lambda: self.subacks[known:], what="a SUBACK")[0]

    def publish(self, topic: str, body: bytes, *, retain: bool = False) -> int:
        """Publish and return the reason of the PUBACK."""
        known = len(self.acked)
        self.paho.publish(topic, body, 1, retain)
        return wait_until(lambda: self.acked[known:] and [self.acked[known]], what="a PUBACK")[0]

    def leave(self, *, politely: bool = True) -> None:
        if politely:
            self.paho.disconnect()
        elif (sock := self.paho.socket()) is not None:
            sock.close()
        self.paho.loop_stop()
        self.paho = self._made()

    def bodies(self) -> list[bytes]:
        return [body for _, body, _, _ in list(self.heard)]


@contextmanager
def client(port: int, name: str, *, clean: bool = True, **given: int) -> Iterator[Client]:
    own = Client(name, **given)
    own.connect(port, clean=clean)
    try:
        yield own
    finally:
        own.leave()


def test_messages_arrive_in_order_with_their_qos_and_nobody_else_gets_them(port: int) -> None:
    with client(port, "a") as writer, client(port, "b") as reader, client(port, "c") as other:
        reader.subscribe("order/+/x")
        other.subscribe("other/#")
        for number in range(300):
            writer.paho.publish("order/1/x", str(number), 1)
        writer.paho.publish("order/1/y", b"-", 1)
        writer.paho.publish("order/1/x", b"qos 0", 0)
        wait_until(lambda: len(reader.heard) == 301)
        assert reader.bodies() == [str(number).encode() for number in range(300)] + [b"qos 0"]
        assert [qos for _, _, qos, _ in reader.heard] == [1] * 300 + [0]
        assert not other.heard


def test_retained_messages_are_kept_told_and_taken_back(port: int) -> None:
    with client(port, "a") as writer:
        writer.publish("kept/1", b"old", retain=True)
        writer.publish("kept/1", b"new", retain=True)
        writer.publish("kept/2", b"gone", retain=True)
        writer.publish("kept/2", b"", retain=True)
        with client(port, "b") as late, client(port, "c") as never:
            late.subscribe("kept/#")
            never.subscribe("kept/#", retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            wait_until(lambda: late.heard)
            writer.publish("kept/3", b"end", retain=False)
            wait_until(lambda: b"end" in late.bodies() and b"end" in never.bodies())
            assert late.heard[0] == ("kept/1", b"new", 1, True)
            assert late.bodies() == [b"new", b"end"]
            assert never.bodies() == [b"end"]
        writer.publish("kept/1", b"", retain=True)


def test_retain_as_published_is_heeded(port: int) -> None:
    with client(port, "a") as writer, client(port, "b") as as_is, client(port, "c") as plain:
        as_is.subscribe("rap/#", retainAsPublished=True)
        plain.subscribe("rap/#")
        writer.publish("rap/1", b"x", retain=True)
        wait_until(lambda: as_is.heard and plain.heard)
        assert as_is.heard[0][3] is True
        assert plain.heard[0][3] is False
        writer.publish("rap/1", b"", retain=True)


def test_a_puback_says_whether_anybody_is_subscribed(port: int) -> None:
    with client(port, "a") as writer, client(port, "b") as reader:
        assert writer.publish("nobody/1", b"x") == 0x10
        reader.subscribe("nobody/#")
        assert writer.publish("nobody/1", b"x") == 0
        reader.paho.unsubscribe("nobody/#")
        wait_until(lambda: writer.publish("nobody/1", b"x") == 0x10)


def test_a_session_waits_for_its_client_and_not_for_ever(port: int) -> None:
    with client(port, "reader", SessionExpiryInterval=60) as reader:
        reader.subscribe("wait/#")
        reader.leave()
        with client(port, "a") as writer:
            for number in range(50):
                writer.publish("wait/1", str(number).encode())
        reader.connect(port, clean=False)
        assert reader.connack[-1][:2] == (True, 0)
        wait_until(lambda: len(reader.heard) == 50)
        assert reader.bodies() == [str(number).encode() for number in range(50)]
    with client(port, "reader", clean=True) as anew:
        assert anew.connack[-1][0] is False
    with client(port, "reader", clean=False) as anew:
        assert anew.connack[-1][0] is False  # that session had no expiry


@pytest.mark.slow
def test_a_will_waits_for_its_delay_and_is_taken_back_by_coming_again(port: int) -> None:
    with client(port, "watcher") as watcher:
        watcher.subscribe("will/#")
        for name, delay_s, politely, back in [
            ("prompt", 0, False, False), ("polite", 0, True, False),
            ("late", 1, False, False), ("back", 1, False, True),
        ]:  # fmt: skip
            own = Client(name, SessionExpiryInterval=60)
            about = Properties(PacketTypes.WILLMESSAGE)
            about.WillDelayInterval = delay_s
            own.paho.will_set(f"will/{name}", b"gone", 1, True, about)
            own.connect(port)
            own.leave(politely=politely)
            if back:
                own.connect(port, clean=False)
                wait_until(lambda: any(topic == "will/late" for topic, *_ in watcher.heard), 5)
                own.leave()
        assert [topic for topic, *_ in watcher.heard] == ["will/prompt", "will/late"]
        for name in ("prompt", "late"):
            watcher.publish(f"will/{name}", b"", retain=True)


def test_a_second_client_with_the_same_name_ends_the_first(port: int) -> None:
    with client(port, "twin") as first, client(port, "twin"):
        wait_until(lambda: first.ended, what="the first one is sent away")


def test_a_client_gets_nothing_larger_than_it_takes(port: int) -> None:
    with client(port, "a") as writer, client(port, "small", MaximumPacketSize=500) as small:
        small.subscribe("size/#")
        writer.publish("size/1", b"x" * 1000)
        writer.publish("size/1", b"y" * 100)
        wait_until(lambda: small.heard)
        assert small.bodies() == [b"y" * 100]


async def test_aiomqtt_asks_and_is_answered(port: int) -> None:
    """Response Topic, Correlation Data and User Properties cross unchanged."""
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, identifier="ask") as asking:
        await asking.subscribe("answer/ask", qos=1)

        async def serve() -> None:
            async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as serving:
                await serving.subscribe("question/#", qos=1)
                ready.set()
                async for message in serving.messages:
                    given: Any = message.properties
                    answer = Properties(PacketTypes.PUBLISH)
                    answer.CorrelationData = given.CorrelationData
                    answer.UserProperty = given.UserProperty
                    await serving.publish(given.ResponseTopic, message.payload, qos=1, properties=answer)

        ready = asyncio.Event()
        task = asyncio.create_task(serve())
        await asyncio.wait_for(ready.wait(), 5)
        question = Properties(PacketTypes.PUBLISH)
        question.ResponseTopic, question.CorrelationData = "answer/ask", b"\x00\x01"
        question.UserProperty = [("lang", "中文")]
        await asking.publish("question/1", b"?", qos=1, properties=question)
        message = await asyncio.wait_for(anext(aiter(asking.messages)), 5)
        given: Any = message.properties
        assert (message.payload, given.CorrelationData) == (b"?", b"\x00\x01")
        assert list(given.UserProperty) == [("lang", "中文")]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("wanted", "topic", "covers"),
    [
        ("a/b", "a/b", True), ("a/b", "a/c", False), ("a/+", "a/b", True), ("a/+", "a/b/c", False), ("a/+", "a", False),
        ("a/#", "a/b/c", True), ("a/#", "a", True), ("#", "a", True), ("#", "$SYS/x", False), ("+/x", "$SYS/x", False),
        ("+/+", "a/b", True), ("+/+", "a", False), ("/+", "/a", True), ("+", "/a", False), ("a//b", "a//b", True),
    ],
)  # fmt: skip
def test_filters_cover_what_the_standard_says(wanted: str, topic: str, covers: bool) -> None:
    """MQTT 5, 4.7."""
    assert matches(wanted, topic) is covers


def test_filters_that_the_standard_forbids_are_refused() -> None:
    assert [wanted for wanted in ("a/#/b", "a#", "a+/b", "", "#a") if valid_filter(wanted)] == []
    assert all(valid_filter(wanted) for wanted in ("#", "+", "a/+/b/#", "/"))
