"""The page a driver author reads: everything a driver must, may and must not do.

A driver is plain blocking Python. It never uses ``async``, threads, locks, retries, MQTT or a clock of its
own; ``docs/drivers.md`` walks through a whole one in under 80 lines.

Must: ``kind``, ``settings_type``, ``open``, ``poll``, ``close``.
May: ``commands`` with ``execute``; ``selftest``; ``addresses``; ``needs``; ``lane`` with ``memory_mb``; ``fits`` and
``search`` for ``hall-edge discover``; ``poll_limit_s``, ``hung``; ``proof_s``, ``silent``; ``public_traffic`` or
``substitute`` for ``hall-edge record``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from edge.errors import DeviceTimeout
from edge.events import BlobRef, MediaType, Params, Payload
from edge.links import Line, Link
from edge.links.address import BYTE_STREAMS, Address, AddressForm
from edge.needs import Needs
from edge.plugging.plugged import Offer, Plugged
from edge.selftest.model import Level, Result
from edge.substitute import Substitute


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A driver's own keys of its ``[[device]]`` table; defaults make them optional.

    Override :meth:`problems` for what a type cannot say: it returns ``{key: cause}``.
    """

    def problems(self) -> dict[str, str]:
        """Return what is wrong with the values taken together, by key."""
        return {}

    def needs_sealing(self) -> bool:
        """Whether events of this device carry a person's data under these settings."""
        return False


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a device told about itself when it was opened. ``serial`` leaves the daemon only as a digest."""

    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    simulated: bool = False
    """Whether the device says itself that it is a simulator: its events are then never counted as live."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a driver's self-test has found: one line for the technician, with a code of the driver's catalogue.

    Never with anything that identifies a person, a card or a unit: figures, models, "read" or "not read".
    """

    code: Annotated[str, Meta(pattern=r"\A[A-Z]{3}-[0-9]{3}\Z")]
    result: Result = "ok"
    seen: Annotated[str, Meta(max_length=300)] = ""
    """What was seen, in English; ``""``: the code's title says it all."""
    action: Annotated[str, Meta(max_length=300)] = ""
    """What to do, where it is more exact than the catalogue's."""
    details: dict[str, str | int | float | bool] = {}


class Named(NamedTuple):
    """A code of the driver's catalogue, and what to do then."""

    code: str
    action: str


class Port(Protocol):
    """What the core lends a driver: the way to its device, and nothing else."""

    @property
    def address(self) -> Address:
        """The configured address, for drivers whose library opens the device itself."""

    def open(self, line: Line | None = None) -> Link:
        """Open the configured address; raises ``DeviceAbsent``, ``DeviceAccess`` or ``DeviceBusy``."""

    def idle(self, wait_s: float) -> bool:
        """Wait, for drivers without a link; return early with true when a command wants the device (like ``wake``)."""

    def proved(self) -> None:
        """Note that the device has just shown that it lives, for drivers without a link."""

    def slow(self, limit_s: float) -> AbstractContextManager[None]:
        """Say that a call of a library may take so long: within it, the driver counts as hung only after that."""

    def blob(self, data: bytes | bytearray | memoryview, media_type: MediaType) -> BlobRef:
        """Hand over a picture or a document, to be named by the event that is yielded next.

        At most three blobs may wait for their event. The bytes are sealed, stored and sent by the core.
        """

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps. The only clock a driver may use."""

    def digest(self, text: str) -> str:
        """Return a keyed digest of *text* (32 hex digits): equal texts can be matched, not read back."""

    def log(self, message: str, **fields: int | float | str | bool) -> None:
        """Log at INFO with the device's name. Never pass what the device said about a person."""


class Job(Protocol):
    """A command under way."""

    @property
    def request_id(self) -> str:
        """The request's UUID; also the evaluation session's name."""

    def check(self) -> None:
        """Raise ``JobCancelled`` when the job was cancelled or its deadline passed."""

    def remaining_s(self) -> float:
        """Return the seconds left until the deadline, at least 0."""

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        """Send one progress reply."""


class Driver(ABC):
    """One device. All methods are called in one lane, one at a time."""

    kind: ClassVar[str]
    """A kind of the contract: ``id-card``, ``evaluation-pad``, ``code-scanner``."""
    settings_type: ClassVar[type[Settings]]
    opens_again: ClassVar[bool] = False
    """Whether :meth:`open` may be called again after ``DeviceAbsent``: for the core's own use."""
    addresses: ClassVar[tuple[AddressForm, ...]] = BYTE_STREAMS
    """The forms of address that the driver understands."""
    needs: ClassVar[Needs] = Needs()
    """What it opens and asks on the PC: the shipped units and udev rules grant that and nothing else."""
    lane: ClassVar[Literal["thread", "process"]] = "thread"
    """``process``: the driver stands on native code that can crash or hang, and runs in a child process."""
    memory_mb: ClassVar[int] = 512
    """A driver in a process of its own may use so much memory (RLIMIT_DATA)."""
    search_is_slow: ClassVar[bool] = False
    """Whether :meth:`search` asks the network, or takes its time: it then runs only with ``discover --network``."""
    commands: ClassVar[tuple[type[Params], ...]] = ()
    """The commands :meth:`execute` understands, as the contract's parameter types."""
    poll_limit_s: ClassVar[float] = 5.0
    """``open`` and ``poll`` (beyond its ``wait_s``) end within this, else the lane counts as hung."""
    proof_s: float | None = None
    """Bytes arrive at least this often from a healthy device; ``None``: a healthy one may be silent."""
    silent: ClassVar[Named] = Named("DEV-104", DeviceTimeout.default_action)
    """What the core calls it when nothing has arrived for ``proof_s``."""
    hung: ClassVar[Named] = Named("DRV-104", "unplug the device and plug it in again")
    """What the core calls it when a call hangs, or its whole process: a library that waits for ever tells nothing."""
    public_traffic: ClassVar[bool] = False
    """Whether raw bytes may be logged at TRAFFIC level, and recorded: only when they never hold a person's data."""
    substitute: ClassVar[type[Substitute] | None] = None
    """What replaces personal data in its traffic for ``hall-edge record``; without, only public traffic is recorded."""

    def __init__(self, settings: Any, port: Port) -> None:
        """Keep *settings* (of ``settings_type``) and *port*. No I/O here."""
        self.settings = settings
        self.port = port

    @abstractmethod
    def open(self) -> DeviceInfo:
        """Open and identify the device, or raise a ``DeviceError``. Never retry."""

    @abstractmethod
    def poll(self, wait_s: float) -> Iterable[Payload]:
        """Make one bounded pass and return what happened.

        Wait with ``link.idle(wait_s)``, so that a command can interrupt. A generator is accepted event by
        event: it resumes after ``yield`` only when the event is durable (the moment to acknowledge to the
        device). A list is accepted as a whole. Proves that the device is alive when it can.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the device, in any state. Idempotent, never raises."""

    def execute(self, command: Params, job: Job) -> Iterable[Payload]:
        """Carry out *command* between two polls; yields like :meth:`poll`.

        Call ``job.check()`` at least every 100 ms. Ending normally completes the job with ``ok``.
        """
        raise NotImplementedError(f"{type(self).__name__} lists commands but has no execute()")

    def selftest(self, level: Level, job: Job) -> Iterable[Finding]:
        """Look closer at the open device, between two polls; yield what was found. Nothing: its state says it all.

        ``internal`` disturbs nothing and ends within two seconds; ``external`` may move paper, beep and light a lamp;
        ``interactive`` asks a person: ``job.report(code)`` shows the title of a code of the catalogue, then wait for
        what the person does, ``job.remaining_s()`` at most. Call ``job.check()`` at least every 100 ms: a command
        ends a self-test at once. What is seen leads to no event and is not kept. Raises like :meth:`poll`.
        """
        del level, job
        return ()

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        """Return what to configure for *found*, a piece of hardware that is plugged in; ``None``: not ours.

        Asked for every node and every USB device; ``edge.plugging.plugged.address_of`` makes the address.
        Must disturb nothing.
        """
        del found
        return None

    @classmethod
    def search(cls, wait_s: float) -> Iterable[Offer]:
        """Look for *wait_s* where hardware is found otherwise: on the network, by a service. Runs in a process."""
        del wait_s
        return ()

    @classmethod
    def needs_network(cls, settings: Any, address: Address) -> bool:
        """Return whether its process has to reach the network; the unit that it runs in has none otherwise."""
        del settings
        return cls.needs.over_network(address)

    @classmethod
    def environment(cls, settings: Any, address: Address) -> Mapping[str, str]:
        """Return what must stand in the environment of the driver's process before its library is loaded."""
        del settings, address
        return {}
