"""ScannerStatus: what the scanner is doing, what its feeder says, how our job stands (Mopria eSCL). No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers import _escl_xml as xml
from drivers._escl_problems import FEEDER, STANDING

LOADED, EMPTY, PROCESSING = "ScannerAdfLoaded", "ScannerAdfEmpty", "ScannerAdfProcessing"
_STATES: Mapping[str, str] = {"Down": "ESC-110", "Stopped": "ESC-139"}


@dataclass(frozen=True)
class Status:
    """One answer; ``feeder`` is AdfState, "" without one; ``jobs``: JobState by the end of the job's address."""

    state: str
    feeder: str
    jobs: Mapping[str, str] = field(default_factory=dict)

    @property
    def feeder_trouble(self) -> str | None:
        """The code of what is wrong with the feeder; an empty one is not wrong."""
        return FEEDER.get(self.feeder)

    @property
    def standing_trouble(self) -> str | None:
        """The code of what somebody must do before the scanner is of use again."""
        code = self.feeder_trouble
        return code if code in STANDING else _STATES.get(self.state)

    def trouble(self, *, in_feeder: bool) -> str | None:
        """Return the code of what hinders a job that has begun."""
        return (self.feeder_trouble if in_feeder else None) or _STATES.get(self.state)

    def hindrance(self, *, in_feeder: bool) -> str | None:
        """Return the code of what keeps a job from beginning: what the last one has left behind does not."""
        return self.standing_trouble if in_feeder else _STATES.get(self.state)

    def job(self, path: str) -> str:
        """Return the JobState of the job at *path*; "" when the scanner does not list it."""
        return self.jobs.get(_last(path), "")


def read_status(document: bytes) -> Status:
    """Return what *document* says; raises ``DeviceProtocol``."""
    root = xml.parse(document, "ScannerStatus")
    jobs = {}
    for one in root.all("Jobs", "JobInfo"):
        for name in (one.word("JobUri"), one.word("JobUuid")):
            if name:
                jobs[_last(name)] = one.word("JobState")
    return Status(state=root.word("State"), feeder=root.word("AdfState"), jobs=jobs)


def in_words(status: Status) -> str:
    """Return how a scanner is, for people."""
    doing = "is scanning" if status.state == "Processing" else "answers"
    feeder = {LOADED: "; paper lies in its feeder", EMPTY: "; its feeder is empty"}.get(status.feeder, "")
    return f"the scanner {doing}{feeder}"


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2].removeprefix("urn:uuid:")
