"""What a driver in a process of its own can tell about itself, and the errors that it can raise."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge import errors
from edge.driver import DeviceInfo
from edge.events import Payload
from tests.core.samples import CANARY

if TYPE_CHECKING:
    from tests.core.process_drivers import Doll

LONG_S = 60.0
UNWANTED = (
    "asyncio",
    "paho",
    "aiomqtt",
    "sqlite3",
    "joserfc",
    "edge.store.outbox",
    "edge.store.file",
    "edge.delivery.publisher",
)


# --- telling about itself ------------------------------------------------------------------------


def modules(_: Doll) -> DeviceInfo:
    loaded = [name for name in UNWANTED if name in sys.modules]
    return DeviceInfo(model=",".join(loaded))


def environ(_: Doll) -> DeviceInfo:
    return DeviceInfo(model=",".join(sorted(os.environ)), firmware=os.environ["DOLL"])


def limits(_: Doll) -> DeviceInfo:
    libc = ctypes.CDLL(None)
    told = [
        resource.getrlimit(resource.RLIMIT_CORE)[1],
        resource.getrlimit(resource.RLIMIT_DATA)[1] >> 20,
        libc.prctl(3, 0, 0, 0, 0),  # PR_GET_DUMPABLE
        libc.prctl(39, 0, 0, 0, 0),  # PR_GET_NO_NEW_PRIVS
        os.umask(0o077),
    ]
    return DeviceInfo(model=",".join(map(str, told)))


def handles(_: Doll) -> DeviceInfo:
    """Tell what is open: input, output and error, the socket, and the file for crashes."""
    found = []
    for entry in sorted(Path("/proc/self/fd").iterdir()):
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return DeviceInfo(model="|".join(found))


def simulated(_: Doll) -> DeviceInfo:
    return DeviceInfo(simulated=True)


def proved(doll: Doll) -> list[Payload]:
    doll.port.proved()
    return []


def talkative(doll: Doll) -> list[Payload]:
    doll.port.log("page scanned", pages=3, duplex=True)
    logging.getLogger("some.library").warning("odd %s", "thing")
    logging.getLogger("some.library").info("not heard")
    os.write(2, CANARY.encode())
    os.write(1, CANARY.encode())
    return []


def noted(doll: Doll) -> None:
    doll.note("closed")


KINDS = (
    errors.DeviceAbsent, errors.DeviceAccess, errors.DeviceBusy, errors.DeviceLost, errors.DeviceTimeout,
    errors.DeviceProtocol, errors.DeviceFault, errors.DeviceAttention, errors.DeviceError, errors.StoreError,
    errors.Unsupported,
)  # fmt: skip


def an_error(kind: type[errors.EdgeError]) -> Callable[[Doll], list[Payload]]:
    def deed(_: Doll) -> list[Payload]:
        raise kind("seen", code="TST-101", action="do this")

    return deed


class Own(errors.DeviceProtocol):
    """An error of the driver's own."""


def own_error(_: Doll) -> list[Payload]:
    raise Own("mine", code="TST-102")


def missing(_: Doll) -> None:
    raise errors.ConfigError([errors.Problem("CFG-122", "no package", "install it")])
