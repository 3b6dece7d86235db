"""One MQTT 5 connection that stays: the only file that touches aiomqtt.

What aiomqtt 2.5 hides and is needed here, so :class:`_Client` reaches below it:

* back-pressure. aiomqtt answers PUBACK at once, and with a bounded queue it then drops what does not fit. Here
  PUBACK is sent when the message was taken, and while too many wait the socket is not read: the broker keeps
  them. (Receive Maximum alone is no bound: mosquitto 2.0.11 releases up to that many more with each PUBACK.);
* the reason code of a PUBACK (a refused publish would look like a success);
* the socket that a failed connect leaves open, and the writer that it registers on one already closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.subscriber.address import Address
from edge.subscriber.errors import Refused

log = logging.getLogger(__name__)
T = TypeVar("T")

RECEIVE_MAXIMUM = 100
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STEADY_S = 10.0
MANY_SHORT_LIVES = 3
KEEPALIVE_S = 5
ANSWER_S = 5.0
CONNECT_S = 3.0
FAILURE = 0x80
NO_SUBSCRIBER = 0x10
_NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # without it a request and its reply take 88 ms, not 1


class SteadyClient(aiomqtt.Client):
    """aiomqtt that can always be cancelled, and registers no writer for a socket that is closed already.

    The number of such a socket may be another's by then. And asyncio.wait_for, which aiomqtt uses, forgets on Python
    3.11 that it was cancelled when its answer comes at the same moment: whoever cancelled would wait for ever.
    """

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109  # as its callers say it
        limit_s = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if limit_s == math.inf else limit_s):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        def register() -> None:
            used = self._client.socket()
            if used is not None and used is sock:
                self._loop.add_writer(used.fileno(), self._write)

        self._loop.call_soon_threadsafe(register)

    def _write(self) -> None:
        with self._ends_on_error():
            self._client.loop_write()

    @contextlib.contextmanager
    def _ends_on_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is, the connection is over
            if not self._disconnected.done():
                self._disconnected.set_exception(error)


class _Client(SteadyClient):
    """aiomqtt with what it hides."""

    def __init__(self, address: Address, client_id: str, session_expiry_s: int) -> None:
        connect = Properties(PacketTypes.CONNECT)
        connect.SessionExpiryInterval = session_expiry_s
        connect.ReceiveMaximum = RECEIVE_MAXIMUM
        super().__init__(
            address.host,
            address.port,
            username=address.login.username,
            password=address.login.password,
            tls_context=address.tls,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=session_expiry_s == 0,
            properties=connect,
            keepalive=KEEPALIVE_S,
            timeout=ANSWER_S,
            socket_options=[_NODELAY],
            logger=logging.getLogger(f"{__name__}.mqtt"),
        )
        self._client.manual_ack_set(True)
        self._client.connect_timeout = CONNECT_S
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._paused = False
        self.subscribed = False
        """Before that reading is never paused: the answer to SUBSCRIBE comes behind what waited in the session."""

    def taken(self, message: aiomqtt.Message) -> None:
        """Answer PUBACK for *message*, and read on when few are left."""
        self._client.ack(message.mid, message.qos)
        if self._paused and self._queue.qsize() <= RECEIVE_MAXIMUM // 2:
            self._paused = False
            self._trust()
            self._loop.call_soon(self._read)  # what TLS has decrypted already makes no socket readable
            if found := self._client.socket():
                self._loop.add_reader(found.fileno(), self._read)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        super()._on_message(client, userdata, message)
        if not self.subscribed or self._paused or self._queue.qsize() < RECEIVE_MAXIMUM:
            return
        if found := client.socket():
            self._paused = True
            self._loop.remove_reader(found.fileno())

    def _read(self) -> None:
        """Read what is there, as aiomqtt does."""
        with self._ends_on_error():
            while not self._paused and (found := self._client.socket()):
                self._client.loop_read()
                if not (isinstance(found, ssl.SSLSocket) and found.pending()):
                    break

    async def _misc_loop(self) -> None:
        while self._client.loop_misc() == MQTT_ERR_SUCCESS:
            await asyncio.sleep(1)
            if self._paused:
                self._trust()

    def _trust(self) -> None:
        """Forget a PINGREQ without answer: while nothing is read, that proves nothing."""
        self._client._ping_t = 0  # noqa: SLF001  no public way

    async def send(self, topic: str, payload: bytes, properties: Properties) -> int:
        """Publish with QoS 1 and return the PUBACK's reason code."""
        info = self._client.publish(topic, payload, 1, False, properties)
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "could not publish")
        answer: asyncio.Future[int] = self._loop.create_future()
        self._answers[info.mid] = answer
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            raise aiomqtt.MqttError("the broker does not answer a publish") from None
        finally:
            self._answers.pop(info.mid, None)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:  # noqa: ARG002
        answer = self._answers.get(mid)
        if answer and not answer.done():
            answer.set_result(reason_code.value)

    def let_go(self) -> None:
        """Close what a failed or broken connection leaves open."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(aiomqtt.MqttError("disconnected"))
        self._client._sock_close()  # noqa: SLF001  neither library closes it after a connect without CONNACK
        self._look_at_ends()

    def _on_disconnect(self, *args: Any) -> None:
        super()._on_disconnect(*args)
        self._look_at_ends()  # now: when it comes while connecting, aiomqtt throws the future away

    def _look_at_ends(self) -> None:
        """Look at the errors that futures hold, else asyncio reports that nobody did."""
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()


class Link:
    """Connects, subscribes to *topics*, and hands every message to *receive*; again and again.

    *topics*: filter → whether a refusal of it is an error. The next message is taken when *receive* has
    returned. *connected* is called after each successful subscribe.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        topics: Mapping[str, bool],
        receive: Callable[[aiomqtt.Message], Awaitable[None]],
        connected: Callable[[], None],
        *,
        session_expiry_s: int,
    ) -> None:
        self._address, self._client_id, self._topics = address, client_id, topics
        self._receive, self._on_connected = receive, connected
        self._session_expiry_s = session_expiry_s
        self._client: _Client | None = None
        self._pause_s = FIRST_PAUSE_S
        self._down_since: float | None = None
        self._short_lives = 0

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            up_at = None
            try:
                async with self._connection() as client:
                    await self._subscribe(client)
                    up_at = self._up(client)
                    async for message in client.messages:
                        await self._receive(message)
                        client.taken(message)
            except (aiomqtt.MqttError, Refused) as error:
                await asyncio.sleep(self._down(error, up_at))
            finally:
                self._client = None

    async def send(self, topic: str, payload: bytes, *, content_type: str = "application/json", **more: Any) -> int:
        """Publish with QoS 1; return 0, or ``NO_SUBSCRIBER``. Raises ``MqttError``, or :class:`Refused`.

        *more* are further MQTT 5 properties by their paho names.
        """
        if self._client is None:
            raise aiomqtt.MqttError("not connected")
        properties = Properties(PacketTypes.PUBLISH)
        for name, value in {"ContentType": content_type, **more}.items():
            setattr(properties, name, value)
        code = await self._client.send(topic, payload, properties)
        if code >= FAILURE:
            raise Refused(f"the broker refuses {topic} (reason 0x{code:02x})")
        return code

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Client]:
        client = _Client(self._address, self._client_id, self._session_expiry_s)
        opening = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.shield(opening)
            yield client
        finally:  # also when cancelled: the thread that connects cannot be stopped, only awaited
            with contextlib.suppress(aiomqtt.MqttError):
                await opening
                await client.__aexit__(None, None, None)
            client.let_go()

    async def _subscribe(self, client: _Client) -> None:
        options = SubscribeOptions(qos=1)
        answers: Sequence[int | ReasonCode] = await client.subscribe([(topic, options) for topic in self._topics])
        client.subscribed = True
        for (topic, required), answer in zip(self._topics.items(), answers, strict=True):
            code = answer if isinstance(answer, int) else answer.value
            if code >= FAILURE and required:
                raise Refused(f"the broker refuses to subscribe us to {topic} (reason 0x{code:02x})", code="SUB-101")

    def _up(self, client: _Client) -> float:
        now = time.monotonic()
        if self._down_since is not None:
            log.info("connected to the broker again after %.0f s", now - self._down_since)
        self._down_since = None
        self._client = client
        self._on_connected()
        return now

    def _down(self, error: Exception, up_at: float | None) -> float:
        """Log the end of a connection, the first time loudly; return how long to wait."""
        now = time.monotonic()
        if up_at is not None:
            steady = now - up_at > STEADY_S
            self._short_lives = 0 if steady else self._short_lives + 1
            self._pause_s = FIRST_PAUSE_S if steady else self._pause_s
        if self._short_lives == MANY_SHORT_LIVES:  # mosquitto 2.0.11 does not say Session Taken Over
            text = "connections break within seconds: does another client use our name %s?"
            log.error("%s — give each subscriber a name of its own", text % self._client_id)
        elif self._down_since is None:
            text = str(error.__cause__ or error)
            log.warning("SUB-108: no connection to %s:%s: %s", self._address.host, self._address.port, text)
        else:
            log.debug("still no connection: %s", error)
        self._down_since = self._down_since or now
        pause_s = self._pause_s * random.uniform(0.5, 1)  # noqa: S311  jitter is no secret
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause_s
