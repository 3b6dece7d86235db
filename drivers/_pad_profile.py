"""The TOML file that describes a pad: its keys, and reading it with every mistake reported at once.

``docs/pads.md`` explains each key; what types cannot say is checked in ``_pad_compile``.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from drivers._pad_frame import ChecksumKind, Cut
from drivers._pad_problems import KeyPath, Problems
from edge.toml_lines import key_lines

SHIPPED = Path(__file__).parent / "pads"
MAX_FILE_BYTES = 65536

Meaning = Annotated[int, Meta(ge=1, le=5)] | Literal["declined", "timed-out", "released"]
Way = Literal["serial", "keys", "reports"]
Size = Annotated[int, Meta(ge=1, le=4096)]
Offset = Annotated[int, Meta(ge=0, le=4096)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
T = TypeVar("T", bound=msgspec.Struct)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the profile."""


class LineSection(Section, frozen=True, kw_only=True):
    """The serial line; ``init`` are raw bytes written once after opening."""

    baud: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    init: str | None = None


class FrameSection(Section, frozen=True, kw_only=True):
    """How a frame looks and where it ends."""

    cut: Cut
    layout: str
    max_body: Size = 64
    body_bytes: Size | None = None
    length_adds: Annotated[int, Meta(ge=-64, le=64)] | None = None
    gap_s: Seconds | None = None


class ChecksumSection(Section, frozen=True, kw_only=True):
    """What the checksum is and which bytes it covers."""

    kind: ChecksumKind
    start: Offset
    end: Offset = 0


class ReportSection(Section, frozen=True, kw_only=True):
    """The reports of a HID pad; ``bytes`` does not count the report number."""

    id: Annotated[int, Meta(ge=0, le=255)] = 0
    bytes: Size
    send_id: Annotated[int, Meta(ge=0, le=255)] | None = None
    send_bytes: Size | None = None

    @property
    def number_out(self) -> int:
        """The number of the reports that are sent; 0 where they have none."""
        return self.id if self.send_id is None else self.send_id

    @property
    def size_out(self) -> int:
        """The bytes of a report that is sent."""
        return self.bytes if self.send_bytes is None else self.send_bytes


class SendSection(Section, frozen=True, kw_only=True):
    """Bodies for the pad; the engine builds the frame around them."""

    request: str | None = None
    cancel: str | None = None
    key_taken: str | None = None


class AnswerSection(Section, frozen=True, kw_only=True):
    """A pad that answers a request."""

    accepted: str


class HeartbeatSection(Section, frozen=True, kw_only=True):
    """A pad that says it is alive."""

    starts: str
    every_s: Seconds


class KeySection(Section, frozen=True, kw_only=True):
    """Where the key stands and what each value means."""

    starts: str = ""
    offset: Offset | None = None
    map: dict[str, Meaning]


class ReasonsSection(Section, frozen=True, kw_only=True):
    """Where reasons stand: any number of them, up to the end of the body."""

    width: Annotated[int, Meta(ge=1, le=32)]
    offset: Offset | None = None
    form: Literal["ascii", "hex"] = "ascii"


class RepeatSection(Section, frozen=True, kw_only=True):
    """A pad that repeats a key until it is acknowledged."""

    every_s: Seconds
    at_most: Annotated[int, Meta(ge=1, le=1000)]


class Profile(Section, frozen=True, kw_only=True):
    """A whole file."""

    title: str
    link: Way = "serial"
    line: LineSection = LineSection()
    report: ReportSection | None = None
    frame: FrameSection
    checksum: ChecksumSection | None = None
    send: SendSection = SendSection()
    answer: AnswerSection | None = None
    heartbeat: HeartbeatSection | None = None
    key: KeySection
    reasons: ReasonsSection | None = None
    repeat: RepeatSection | None = None


def read_profile(name: str, ways: Collection[Way]) -> tuple[Profile | None, Problems]:
    """Return the profile in *name* (a shipped one or a ``.toml`` path) and what is wrong with it."""
    problems = Problems(name)
    try:
        text = _find(name, ways).read_bytes()[: MAX_FILE_BYTES + 1].decode("utf-8")
        if len(text) > MAX_FILE_BYTES:
            raise ValueError(f"is longer than {MAX_FILE_BYTES} bytes")
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.add((), f"is not TOML: {error}")
    except UnicodeDecodeError:
        problems.add((), "is not UTF-8 text")
    except ValueError as error:
        problems.add((), str(error))
    except OSError as error:
        problems.add((), f"cannot be read: {error.strerror or error}")
    else:
        problems.lines = key_lines(text)
        return _convert(document, Profile, (), problems), problems
    return None, problems


def _find(name: str, ways: Collection[Way]) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    files = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    if name in files:
        return files[name]
    shipped = [stem for stem, path in files.items() if tomllib.loads(path.read_text()).get("link", "serial") in ways]
    near = "".join(f"; did you mean {each}?" for each in difflib.get_close_matches(name, shipped, 1))
    raise ValueError(f"is no shipped profile ({', '.join(shipped)}) and no path ending in .toml{near}")


def _convert(value: Any, wanted: Any, path: KeyPath, problems: Problems) -> Any:
    """Return *value* as *wanted*; unlike ``msgspec.convert`` it goes on after a mistake, to name them all."""
    inner = next((each for each in get_args(wanted) if _is_struct(each)), wanted)
    if _is_struct(inner):
        return _convert_table(value, inner, path, problems)
    if get_origin(wanted) is dict and isinstance(value, dict):
        kind = get_args(wanted)[1]
        return {key: _convert(each, kind, (*path, key), problems) for key, each in value.items()}
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        problems.add(path, str(error).partition(" - at ")[0])
        return None


def _convert_table(value: Any, wanted: type[T], path: KeyPath, problems: Problems) -> T | None:
    if not isinstance(value, dict):
        problems.add(path, "has to be a table")
        return None
    before = len(problems)
    fields = {field.name: field for field in msgspec.structs.fields(wanted)}
    for key in value.keys() - fields.keys():
        near = "".join(f"; did you mean {each}?" for each in difflib.get_close_matches(key, fields, 1))
        problems.add((*path, key), f"is unknown{near}")
    for name in (name for name, field in fields.items() if field.required and name not in value):
        problems.add((*path, name), "is missing")
    known = {
        name: _convert(value[name], field.type, (*path, name), problems)
        for name, field in fields.items()
        if name in value
    }
    return wanted(**known) if len(problems) == before else None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
