"""What an eSCL scanner keeps: how it answers, its manners, its jobs, and what goes wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulators.escl_xml import Wanted


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; ``cut``: the connection is reset after so many bytes of the body."""

    code: int
    body: bytes = b""
    media_type: str = "text/xml"
    location: str | None = None
    cut: int | None = None


@dataclass(slots=True)
class Manners:
    """What sets one make of scanner apart from another; the defaults are the standard's."""

    host: str | None = None
    """The only Host header that jobs are taken with."""
    port_in_host: bool = False
    """Answers 400 where the Host header names no port."""
    later: int = 503
    """The answer while a page is not ready."""
    hurry_s: float = 0.0
    """A page that is asked for sooner after the last one breaks the job."""
    empty_state: str = "ScannerAdfEmpty"
    loaded_state: str = "ScannerAdfLoaded"
    takes_empty: bool = False
    """Takes a job with an empty feeder, and never ends it."""
    testing_breaks: bool = False
    """Takes a job while it warms up, and aborts it."""
    drops_reply: bool = False
    """Cuts the connection behind the headers of the answer to a new job."""
    forgets: bool = False
    """A new job ends what a hand need not mend: a mispick, a double feed, …"""
    resends: bool = False
    """Sends a page again whose transfer broke."""
    location: str = "absolute"
    trouble_answer: int = 503
    over: int = 404
    """The answer behind the last page."""
    empty_answer: int = 409
    """The answer to a job for an empty feeder."""


@dataclass(slots=True)
class Job:
    """One scan job and how far it is."""

    id: str
    wanted: Wanted
    state: str = "Processing"
    reason: str = "JobScanning"
    done: int = 0
    back_next: bool = False
    asked_at: float = 0.0
    again: Reply | None = None
    """The page whose transfer broke, for scanners that send it again."""


@dataclass(slots=True)
class Forced:
    """An answer to give instead of the right one: to ``post`` or ``next``, at page ``page`` (0 = any)."""

    to: str
    code: int
    times: int
    page: int = 0


@dataclass(slots=True)
class Faults:
    """What goes wrong; pages are counted from 1 in every job, 0 = never."""

    forced: list[Forced] = field(default_factory=list)
    stop_page: int = 0
    stop_state: str = ""
    cut_page: int = 0
    cut_bytes: int = 0
    cut_times: int = 1
    short_page: int = 0
    """The JPEG of this page lacks its end, and nothing tells so."""
    not_ready: int = 0
    """How often every page is not ready yet."""
