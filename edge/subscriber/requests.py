"""Commands to devices: one request, its progress, exactly one completion.

A connection of its own, so that a reply never waits behind events that the consumer is slow to take. A
request is sent again with the same id after a reconnect, or when no reply came for a while: the window then
answers with what it already did.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import aiomqtt
import msgspec

from edge.events import Params
from edge.subscriber.address import Address
from edge.subscriber.errors import RequestError, WireError
from edge.subscriber.link import NO_SUBSCRIBER, Link
from edge.subscriber.packing import Parcel, Signer, body
from edge.subscriber.topics import ROOT, checked_name, checked_window, split
from edge.subscriber.windows import Window, Windows, decoded
from edge.wire import EventName, Told

STATUS_S = 5.0
REPEAT_S = 5.0
GRACE_S = 2.0
_ENDS = ("ok", "cancelled", "timed-out", "device-error", "busy", "unsupported", "refused", "invalid")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a window answers on the way: ``ack`` with *position* and *deadline*, or ``progress``."""

    request_id: str
    reply: Literal["ack", "progress", "completion"]
    position: int | None = None
    deadline: str | None = None
    step: int | None = None
    of: int | None = None
    text_code: str | None = None
    code: str | None = None
    events: tuple[EventName, ...] = ()
    data: Any = None
    error: Told | None = None

    def __repr__(self) -> str:
        return f"<Reply {self.reply} {self.code or self.text_code or ''} of {self.request_id}>"


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """How a request ended: ``ok``, ``cancelled``, ``timed-out``, ``device-error``, ``busy``, …

    *events* names the events it led to; they come to subscribers like all others. *error* says what was seen
    and what to do, when the end is not ``ok``.
    """

    code: str
    events: tuple[EventName, ...] = ()
    data: Any = None
    error: Told | None = None

    @property
    def ok(self) -> bool:
        return self.code == "ok"

    def __repr__(self) -> str:
        return f"<Completion {self.code}>"


class _Pending:
    """A request under way."""

    def __init__(self, on_progress: Callable[[Reply], None] | None) -> None:
        self.on_progress = on_progress
        self.end: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self.send_again = asyncio.Event()

    def finish(self, end: Completion | BaseException) -> None:
        """Let the caller go on, once."""
        if not self.end.done():
            if isinstance(end, Completion):
                self.end.set_result(end)
            else:
                self.end.set_exception(end)
        self.send_again.set()


class Requester:
    """Sends commands to windows. ``Subscriber.request`` uses one; it also works alone, without events.

    With a *signer* every request is signed; windows that know a requester's key take no others.
    """

    def __init__(self, address: Address, *, name: str, hall: str = "+", signer: Signer | None = None) -> None:
        self._name = checked_name(name, "client")
        self._hall = checked_name(hall, "hall", wildcard=True)
        self._signer = signer
        self.windows = Windows()
        root = f"{ROOT}/{self._hall}/+"
        topics = {f"{root}/reply/{self._name}/+": True, f"{root}/status": True}
        client_id = f"hall-edge-requester-{self._name}"
        self._link = Link(address, client_id, topics, self._receive, self._up, session_expiry_s=0)
        self._pending: dict[str, _Pending] = {}
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._link.run())
        self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Disconnect; requests under way raise :class:`RequestError`."""
        self._fail(RequestError("closed before the request was completed"))
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def request(
        self,
        window: str,
        device: str,
        command: str,
        params: Mapping[str, Any] | Params | None = None,
        *,
        timeout_s: float = 30.0,
        case: str | None = None,
        on_progress: Callable[[Reply], None] | None = None,
    ) -> Completion:
        """Ask *device* (or ``window``) of *window* (``w03`` or ``hall/w03``) for *command*, and wait.

        Personal parameters are sealed to the window's key. Raises :class:`RequestError` when the window is
        offline (``SUB-105``) or nothing was heard in time (``SUB-106``), ``Refused``, ``BadArgument``.
        """
        hall, name = checked_window(window if "/" in window else f"{self._hall}/{window}")
        root = f"{ROOT}/{hall}/{name}"
        topic = f"{root}/request/{checked_name(device, 'device')}/{checked_name(command, 'command')}"
        parcel = Parcel(f"{hall}/{name}", device, command, topic, body(params, timeout_s, case))
        request_id = str(parcel.body["request_id"])
        properties = {
            "ResponseTopic": f"{root}/reply/{self._name}/{request_id}",
            "CorrelationData": request_id.encode(),
            "MessageExpiryInterval": math.ceil(timeout_s),
        }
        pending = self._pending[request_id] = _Pending(on_progress)
        try:
            async with asyncio.timeout(timeout_s + GRACE_S):
                await self._send_until_done(pending, parcel, await self._online(parcel.place), properties)
                return await pending.end
        except TimeoutError:
            raise RequestError(f"no completion of {command} from {hall}/{name} in {timeout_s:g} s") from None
        finally:
            del self._pending[request_id]

    async def _online(self, window: str) -> Window:
        """Return the window when its retained status says that somebody is there."""
        try:
            async with asyncio.timeout(STATUS_S):
                await self._connected.wait()
                found = await self.windows.known(window)
        except TimeoutError:
            if not self._link.connected:
                raise RequestError("no connection to the broker", code="SUB-108", action="check its address") from None
            found = None
        if found is None or not found.online:
            what = "has never been online" if found is None else "is offline"
            raise RequestError(f"window {window} {what}", code="SUB-105", action="start the window's PC")
        return found

    async def _send_until_done(
        self, pending: _Pending, parcel: Parcel, window: Window, properties: dict[str, Any]
    ) -> None:
        """Send, and again after each reconnect and each silence, until the completion is here."""
        while not pending.end.done():
            pending.send_again.clear()
            payload, content_type = parcel.packed(window, self._signer)
            with contextlib.suppress(aiomqtt.MqttError):
                sent = await self._link.send(parcel.topic, payload, content_type=content_type, **properties)
                if sent == NO_SUBSCRIBER:
                    raise RequestError(
                        f"nobody listens on {parcel.topic}", code="SUB-105", action="start the window's PC"
                    )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPEAT_S):
                    await pending.send_again.wait()

    async def _receive(self, message: aiomqtt.Message) -> None:
        place = split(message.topic.value)
        if place is None:
            return
        hall, window, rest = place
        with contextlib.suppress(WireError):
            if not rest.startswith("reply/"):
                self.windows.feed(hall, window, rest, bytes(message.payload or b""))
            elif not message.retain:
                self._replied(decoded(bytes(message.payload or b""), Reply), rest)

    def _replied(self, reply: Reply, rest: str) -> None:
        pending = self._pending.get(reply.request_id)
        if pending is None or pending.end.done() or rest != f"reply/{self._name}/{reply.request_id}":
            return
        if reply.reply == "completion":
            code = reply.code if reply.code in _ENDS else f"unknown: {reply.code}"
            pending.finish(Completion(code=code, events=reply.events, data=reply.data, error=reply.error))
        elif pending.on_progress:
            try:
                pending.on_progress(reply)
            except Exception as error:  # noqa: BLE001  the caller's own bug goes back to the caller
                pending.finish(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Hand a bug to those who would wait in vain."""
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        for pending in self._pending.values():
            pending.finish(error)

    def _up(self) -> None:
        self._connected.set()
        for pending in self._pending.values():
            pending.send_again.set()
