"""Run the drivers' searches side by side, each in a process that is killed when it hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

import msgspec

from edge.driver import Driver
from edge.plugging.plugged import Offer
from edge.tools.discover.search import GRACE_S
from edge.tools.discover.things import Drivers, Note, Proposal

_MAX_BYTES = 1 << 20
_MAX_OFFERS = 64
_Found = tuple[list[Proposal], list[Note]]


def searchers(drivers: Drivers, *, network: bool) -> list[str]:
    """Return the names of the drivers that search; those that are slow only when it is asked for."""
    own = Driver.search.__func__  # type: ignore[attr-defined]
    return [
        name
        for name, driver in drivers.items()
        if driver.search.__func__ is not own and (network or not driver.search_is_slow)  # type: ignore[attr-defined]
    ]


async def search(names: Sequence[str], wait_s: float, allowed: Sequence[str] = ()) -> _Found:
    """Return what the drivers *names* find within *wait_s*, and notes on those that failed or hung."""
    results = await asyncio.gather(*[_search(name, wait_s, allowed) for name in names])
    return [one for found, _ in results for one in found], [note for _, notes in results for note in notes]


async def _search(name: str, wait_s: float, allowed: Sequence[str]) -> _Found:
    command = [sys.executable, "-m", "edge.tools.discover.search", name, str(wait_s), *allowed]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_MAX_BYTES,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    try:
        line = await asyncio.wait_for(process.stdout.readline(), wait_s + GRACE_S)
        offers = msgspec.json.decode(line, type=list[Offer])
    except TimeoutError:
        return [], [Note("search-hung", name, f"{wait_s + GRACE_S:.0f}")]
    except (ValueError, msgspec.DecodeError):
        return [], [Note("search-failed", name)]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return [Proposal(name, offer) for offer in offers[:_MAX_OFFERS]], []
