"""The topic tree of one window: ``hall/v1/{hall}/{window}/…``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.errors import EdgeError

_REPLY = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){2}")


@dataclass(frozen=True)
class Topics:
    """Builds topics from names that the configuration has checked (``[a-z0-9-]{1,32}``)."""

    hall: str
    window: str

    @property
    def base(self) -> str:
        """The window's own branch."""
        return f"hall/v1/{self.hall}/{self.window}"

    @property
    def subscriptions(self) -> list[str]:
        """What the daemon listens to, its own status included."""
        return [f"{self.base}/{branch}" for branch in ("request/+/+", "ack/+", "replay/+", "status")]

    @property
    def status(self) -> str:
        return f"{self.base}/status"

    @property
    def health(self) -> str:
        return f"{self.base}/health"

    def device_status(self, device: str) -> str:
        return f"{self.base}/device/{device}/status"

    def device_about(self, device: str) -> str:
        return f"{self.base}/device/{device}/about"

    def event(self, suffix: str) -> str:
        return f"{self.base}/event/{suffix}"

    def sealed(self, suffix: str) -> str:
        return f"{self.base}/sealed/{suffix}"

    def replayed(self, subscriber: str) -> str:
        return f"{self.base}/replayed/{subscriber}"

    def manifest(self, blob: str) -> str:
        return f"{self.base}/blob/{blob}/manifest"

    def part(self, blob: str, number: int) -> str:
        return f"{self.base}/blob/{blob}/{number}"

    def gone(self, blob: str) -> str:
        return f"{self.base}/blob/{blob}/gone"

    def may_reply_to(self, topic: str | None) -> bool:
        """Whether *topic* is a place a Response Topic may point to: ``reply/{client}/{request_id}`` of ours."""
        place = f"{self.base}/reply"
        return topic is not None and topic.startswith(place) and bool(_REPLY.fullmatch(topic.removeprefix(place)))

    def inside(self, topic: str) -> list[str]:
        """Return the levels of *topic* below the window's branch."""
        prefix = f"{self.base}/"
        if not topic.startswith(prefix):
            raise EdgeError(f"a topic outside of our branch: {len(topic)} characters")
        return topic.removeprefix(prefix).split("/")
