"""Who may do what at a broker, as docs/administrator.md shows it, and what follows for each client and topic."""

from __future__ import annotations

from dataclasses import dataclass

from paho.mqtt.client import topic_matches_sub

from tests.broker.recipe import HALL

ROLES = ("the window itself", "subscriber with a key", "subscriber without", "requester", "the hall's bridge")
_ROWS = """
status                 | write, read | read  | read  | read  | write
health                 | write       | read  | read  | –     | write
device/+/status        | write       | read  | read  | read  | write
device/+/about         | write       | read  | read  | read  | write
event/+/+/+            | write       | read  | read  | –     | write
sealed/+/+/+           | write       | read  | –     | –     | write
blob/+/+               | write       | read  | –     | –     | write
replayed/{name}        | write       | read  | read  | –     | write
reply/{name}/+         | write       | read  | –     | read  | write
request/+/+            | read        | write | –     | write | read
ack/{name}             | read        | write | write | –     | read
replay/{name}          | read        | write | write | –     | read
"""
TABLE = {row[0]: dict(zip(ROLES, row[1:], strict=True)) for row in
         ([cell.strip() for cell in line.split("|")] for line in _ROWS.strip().splitlines())}  # fmt: skip
WINDOWS = (f"{HALL}/w01", f"{HALL}/w02", "other-hall/w01")
_NAMES = ("case-system", "statistics", "desk", "stranger")


@dataclass(frozen=True)
class Principal:
    """Somebody with the certificate KIND/NAME; without a role nothing is allowed."""

    certificate: str
    role: str | None = None

    @property
    def name(self) -> str:
        return self.certificate.partition("/")[2]

    def may(self, verb: str, topic: str) -> bool:
        """Return whether the table allows it."""
        if self.role == ROLES[4] and topic == f"hall/bridge/{self.name}/state":
            return verb == "write"
        if self.role in ROLES[1:4] and topic_matches_sub("hall/bridge/+/state", topic):
            return verb == "read"
        return any(
            verb in rights[self.role] and topic_matches_sub(self._filter(branch), topic)
            for branch, rights in TABLE.items()
            if self.role
        )

    def _filter(self, branch: str) -> str:
        if self.role == ROLES[0]:
            return f"hall/v1/{self.name}/{branch.replace('{name}', '+')}"
        if self.role == ROLES[4]:
            return f"hall/v1/{self.name}/+/{branch.replace('{name}', '+')}"
        return f"hall/v1/+/+/{branch.replace('{name}', self.name)}"


SYSTEMS = (
    Principal("system/case-system", ROLES[1]), Principal("system/statistics", ROLES[2]),
    Principal("system/desk", ROLES[3]), Principal("system/stranger"),
)  # fmt: skip
AT_HALL = (
    *(Principal(f"window/{window}", ROLES[0]) for window in WINDOWS), *SYSTEMS, Principal(f"bridge/{HALL}"),
)  # fmt: skip
AT_DISTRICT = (
    *(Principal(f"bridge/{hall}", ROLES[4]) for hall in (HALL, "other-hall")), *SYSTEMS,
    Principal(f"window/{WINDOWS[0]}"), Principal("bridge/stranger"),
)  # fmt: skip


def topics() -> list[str]:
    """Return topics of every branch of several windows, and some that are in no branch at all."""
    below = [_example(branch, name) for branch in TABLE for name in (_NAMES if "{name}" in branch else ("-",))]
    everywhere = [f"hall/v1/{window}/{rest}" for window in (WINDOWS[0], WINDOWS[2]) for rest in below]
    odd = ("event/a/b", "event/a/b/c/d", "device/d", "blob/b/1/2", "reply/desk", "ack", "ack/a/b", "other/x", "x")
    beside = [
        "hall/v2/test-hall/w01/status", "hall/v1/w01/status", "other", "hall/bridge/other/state",
        *(f"hall/bridge/{hall}/state" for hall in (HALL, "other-hall")),
        *(f"hall/v1/{WINDOWS[0]}/{rest}" for rest in odd),
        *(f"hall/v1/{place}/{rest}" for place in ("system/stranger", f"bridge/{HALL}")
          for rest in ("status", "replayed/status", "event/a/b/c")),
    ]  # fmt: skip
    return everywhere + beside


def _example(branch: str, name: str) -> str:
    levels = branch.replace("{name}", name).split("/")
    return "/".join(f"x{at}" if level == "+" else level for at, level in enumerate(levels))
