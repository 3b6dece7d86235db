"""What happens at the window: one citizen's visit after another, between them every kind of event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Stage(Protocol):
    """What a visit can do: act at the devices, wait for events, ask for a rating."""

    async def act(self, line: str) -> None:
        """Do at a simulated device what a person does; return when it is done."""

    async def event(self, *types: str) -> str:
        """Wait for the next event of one of these types (``id-card.read``) and return which."""

    async def request(self, device: str, command: str, params: Mapping[str, Any]) -> Any:
        """Ask a device for something and return the completion."""

    async def evaluate(self, timeout_s: int = 20) -> Awaitable[Any]:
        """Ask for a rating; return when the pad was asked, with what ends when the session does."""

    async def cancel(self, device: str) -> None:
        """Cancel what the device does."""


Visit = Callable[[Stage, int], Awaitable[None]]


async def _card(stage: Stage, kind: str, seed: int, options: str = "") -> None:
    await stage.act(f"id-1 insert {kind} seed={seed} {options}")
    await stage.event("id-card.read")


async def _leave(stage: Stage) -> None:
    await stage.act("id-1 remove")
    await stage.event("id-card.removed")


async def _rate(stage: Stage, press: str) -> None:
    session = await stage.evaluate()
    await stage.act("pad-1 wait-request 10")
    await stage.act("wait 1.2")  # faster than a second is flagged as too fast
    await stage.act(f"pad-1 press {press}")
    await session


async def _resident(stage: Stage, seed: int) -> None:
    await stage.act(f"ticket-1 scan A{seed:03}")
    await stage.event("code-scanner.scanned")
    await _card(stage, "resident", seed, "addresses=1")
    await _leave(stage)
    await _rate(stage, "5")


async def _hong_kong(stage: Stage, seed: int) -> None:
    await _card(stage, "J", seed)
    await stage.act(f'gun-1 scan "DEMO-HEALTH-CODE-{seed:06}"')
    await stage.event("code-scanner.scanned")
    await _leave(stage)
    await _rate(stage, "2 reasons=401,512")


async def _foreigner(stage: Stage, seed: int) -> None:
    await _card(stage, "Y", seed)
    await _leave(stage)
    await _rate(stage, "decline")


async def _old_card(stage: Stage, seed: int) -> None:
    await _card(stage, "I", seed)
    await _leave(stage)
    session = await stage.evaluate(timeout_s=3)
    await session


async def _in_a_hurry(stage: Stage, seed: int) -> None:
    await stage.act("id-1 status 41 answer=30 times=9")
    await stage.act(f"id-1 insert resident seed={seed}")
    await stage.event("id-card.rejected")
    await stage.act("id-1 remove")
    await stage.event("id-card.removed")
    session = await stage.evaluate()
    await stage.act("pad-1 wait-request 10")  # what has not begun is not interrupted
    await stage.cancel("pad-1")
    await session


async def _pension(stage: Stage, seed: int) -> None:
    await stage.act(f"card-1 insert social-security seed={seed}")
    await stage.event("smart-card.read")
    await stage.act("card-1 remove")
    await stage.event("smart-card.removed")
    await _rate(stage, "4")


async def _wrong_reader(stage: Stage, seed: int) -> None:
    await stage.act(f"card-1 insert id-card seed={seed}")
    await stage.event("smart-card.rejected")
    await stage.act("card-1 remove")
    await stage.event("smart-card.removed")


async def _one_page(stage: Stage, seed: int) -> None:
    await stage.act(f"camera-1 place page={seed} turn={seed % 20 - 10} desk=wood qr=DEMO-{seed:04}")
    await stage.request("camera-1", "capture", {"dpi": 150})
    await stage.event("document-camera.captured")
    await stage.act("camera-1 light black")
    await stage.request("camera-1", "capture", {})
    await stage.event("document-camera.lost-picture")
    await stage.act("camera-1 light normal")


async def _thick_file(stage: Stage, _seed: int) -> None:
    await stage.act("scanner-1 load 3 blank=3b")
    await stage.request("scanner-1", "scan", {"source": "feeder", "duplex": True, "dpi": 150})
    await stage.event("scanner.scan-completed")
    await stage.act("scanner-1 load 5")
    await stage.act("scanner-1 stop jam page=2")
    await stage.request("scanner-1", "scan", {"source": "feeder", "dpi": 150})
    await stage.event("scanner.scan-stopped")
    await stage.act("scanner-1 clear")


@dataclass(frozen=True)
class Scene:
    """A visit with its title."""

    title: str
    play: Visit
    needs: frozenset[str] = frozenset()
    """Devices that may be missing on this PC."""


_CARDS = frozenset({"card-1"})
SCENES = (
    Scene("a resident: queue ticket, ID card, very satisfied 非常满意", _resident),
    Scene("a pensioner: social-security card, satisfied 满意", _pension, _CARDS),
    Scene("a page with a QR code under the document camera; then its lamp fails", _one_page),
    Scene("an application of three sheets, both sides; then paper jams in the second of five", _thick_file),
    Scene("a resident of Hong Kong: residence permit, QR code, not satisfied 不满意 with reasons", _hong_kong),
    Scene("a foreigner with a card of 2023: declines to rate", _foreigner),
    Scene("a foreigner with a card of 2017: leaves without rating", _old_card),
    Scene("an ID card in the smart-card reader", _wrong_reader, _CARDS),
    Scene("a card that cannot be read; the clerk calls the rating off", _in_a_hurry),
)

EVERY_EVENT: Mapping[str, str] = {
    "id-card": "presented read removed rejected",
    "evaluation-pad": "rated declined timed-out interrupted",
    "code-scanner": "scanned",
    "smart-card": "inserted read removed rejected",
    "document-camera": "captured lost-picture",
    "scanner": "scan-started page scan-completed scan-stopped",
}
"""What the scenes show between them; a test holds them to it."""
