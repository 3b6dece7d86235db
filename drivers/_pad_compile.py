"""Make a pad profile ready for use, or name everything that is wrong with it.

:func:`load` is the only way to a :class:`~drivers._pad_protocol.Protocol`.
"""

from __future__ import annotations

from collections.abc import Collection

from drivers._pad_frame import CHECKSUMS, Shape
from drivers._pad_notation import Field, NotationError, Part, parse_bytes, parse_parts, width_of
from drivers._pad_problems import KeyPath, Problems
from drivers._pad_profile import LineSection, Meaning, Profile, SendSection, Way, read_profile
from drivers._pad_protocol import Keys, Protocol

PARTIAL_S = 0.2
"""The bytes of a frame are never further apart than this."""
IDLE_GAP_S = 0.05
PLACEHOLDERS = ("address", "staff", "timeout")
LAYOUT = ("frame", "layout")


class ProfileError(ValueError):
    """A profile cannot be used; ``by_key`` holds the cause of every key."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(str(problems))
        self.by_key = problems.by_key()


SERIAL: tuple[Way, ...] = ("serial",)


def load(name: str, ways: Collection[Way] = SERIAL) -> Protocol:
    """Return the protocol in *name* (a shipped profile or a ``.toml`` path), for a pad that is connected by *ways*.

    Raises ``ProfileError``.
    """
    profile, problems = read_profile(name, ways)
    if profile is not None and profile.link not in ways:
        driver = "pad_serial" if profile.link == "serial" else "pad_hid"
        problems.add(("link",), f'is "{profile.link}": such a pad needs driver = "{driver}"')
    protocol = _Compiler(profile, problems).protocol() if profile else None
    if protocol is None or problems:
        raise ProfileError(problems)
    return protocol


class _Compiler:
    """Turns the texts of a profile into bytes, and checks what types cannot say."""

    def __init__(self, profile: Profile, problems: Problems) -> None:
        self.profile = profile
        self.problems = problems

    def protocol(self) -> Protocol:
        profile, frame, send = self.profile, self.profile.frame, self.profile.send
        shape = self._shape()
        result = Protocol(
            profile=profile,
            shape=shape,
            gap_s=frame.gap_s or (IDLE_GAP_S if frame.cut == "idle-gap" else PARTIAL_S),
            init=self._bytes(("line", "init"), profile.line.init),
            request=self._template("request", send.request),
            cancel=self._template("cancel", send.cancel),
            key_taken=self._template("key_taken", send.key_taken),
            accepted=self._bytes(("answer", "accepted"), profile.answer.accepted if profile.answer else None),
            heartbeat=self._bytes(("heartbeat", "starts"), profile.heartbeat.starts if profile.heartbeat else None),
            keys=self._keys(),
        )
        self._check_link(result)
        self._check_talk()
        self._check_confusion(result)
        return result

    def _bytes(self, path: KeyPath, text: str | None) -> bytes:
        """Return the bytes of an optional text; an empty text is a mistake."""
        if text is None:
            return b""
        try:
            data = parse_bytes(text)
        except NotationError as error:
            self.problems.add(path, str(error))
            return b""
        if not data:
            self.problems.add(path, "is empty")
        return data

    def _template(self, name: str, text: str | None) -> tuple[Part, ...]:
        frame, most = self.profile.frame, self._max_body()
        try:
            parts = parse_parts(text or "", PLACEHOLDERS)
        except NotationError as error:
            self.problems.add(("send", name), str(error))
            return ()
        size = width_of(parts)
        if text is not None and not 1 <= size <= most:
            self.problems.add(("send", name), f"has {size} bytes, frame.max_body allows 1 to {most}")
        elif text is not None and frame.body_bytes not in (None, size):
            self.problems.add(("send", name), f"has {size} bytes, frame.body_bytes says {frame.body_bytes}")
        return parts

    def _shape(self) -> Shape:
        frame, checksum = self.profile.frame, self.profile.checksum
        before, after = self._layout(frame.layout)
        shape = Shape(
            cut=frame.cut,
            before=before,
            after=after,
            max_body=self._max_body(),
            body_bytes=frame.body_bytes or 0,
            length_adds=frame.length_adds or 0,
            checksum=checksum.kind if checksum else None,
            checksum_start=checksum.start if checksum else 0,
            checksum_end=checksum.end if checksum else 0,
        )
        if before or after or LAYOUT not in self.problems:
            self._check_cut(shape)
            self._check_checksum(shape)
        return shape

    def _layout(self, text: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        try:
            parts = parse_parts(text, ("length", "address", "body", "checksum"))
        except NotationError as error:
            self.problems.add(LAYOUT, str(error))
            return (), ()
        bodies = [at for at, part in enumerate(parts) if isinstance(part, Field) and part.name == "body"]
        if len(bodies) != 1 or parts[bodies[0]] != Field("body", "u8"):
            self.problems.add(LAYOUT, "needs {body} exactly once, without a form")
            return (), ()
        before, after = parts[: bodies[0]], parts[bodies[0] + 1 :]
        for part in after:
            if isinstance(part, Field) and part.name != "checksum":
                self.problems.add(LAYOUT, f"{{{part.name}}} has to stand before {{body}}")
        if len(_fields(before, "address")) > 1:
            self.problems.add(LAYOUT, "has {address} twice")
        return before, after

    def _check_cut(self, shape: Shape) -> None:
        frame = self.profile.frame
        lengths = _fields(shape.before, "length")
        if bool(lengths) != (frame.cut == "length-field"):
            self.problems.add(LAYOUT, 'has to have {length} with cut = "length-field", and only then')
        for field in lengths:
            if frame.max_body + shape.length_adds > field.limit:
                self.problems.add(("frame", "max_body"), f"{{length:{field.form}}} holds at most {field.limit}")
        if frame.cut == "end-mark" and not shape.tail:
            self.problems.add(LAYOUT, 'has to end with the end mark\'s bytes with cut = "end-mark"')
        if (frame.body_bytes is not None) != (frame.cut == "fixed-length"):
            self.problems.add(("frame", "body_bytes"), 'has to be there with cut = "fixed-length", and only then')
        elif frame.body_bytes and frame.body_bytes > frame.max_body:
            self.problems.add(("frame", "body_bytes"), f"is more than frame.max_body, {frame.max_body}")
        if frame.length_adds is not None and frame.cut != "length-field":
            self.problems.add(("frame", "length_adds"), 'is only for cut = "length-field"')
        elif shape.length_adds < -1:
            self.problems.add(("frame", "length_adds"), "makes the length of a short body negative")

    def _check_checksum(self, shape: Shape) -> None:
        section = self.profile.checksum
        if _fields(shape.before, "checksum"):
            self.problems.add(LAYOUT, "{checksum} has to stand behind {body}")
        sums = _fields(shape.after, "checksum")
        if section is None:
            if sums:
                self.problems.add(("checksum",), "is missing, but frame.layout has {checksum}")
            return
        if len(sums) != 1:
            self.problems.add(LAYOUT, "has to have {checksum} exactly once, as there is a checksum table")
            return
        forms = ("u8",) if CHECKSUMS[section.kind][0] == 1 else ("u16be", "u16le")
        if sums[0].form not in forms:
            self.problems.add(LAYOUT, f"{section.kind} needs {{checksum:{' or '.join(forms)}}}")
        at = shape.width_before + width_of(shape.after[: shape.after.index(sums[0])])
        if section.start > shape.width_before:
            self.problems.add(("checksum", "start"), f"lies behind the body's first byte, {shape.width_before}")
        elif section.end > at - section.start:
            self.problems.add(("checksum", "end"), "leaves nothing to check in a short frame")

    def _keys(self) -> Keys:
        section, reasons, frame = self.profile.key, self.profile.reasons, self.profile.frame
        starts = self._bytes(("key", "starts"), section.starts or None)
        offset = len(starts) if section.offset is None else section.offset
        if offset < len(starts):
            self.problems.add(("key", "offset"), f"lies inside key.starts, {len(starts)} bytes")
        values: dict[bytes, Meaning] = {}
        for text, means in section.map.items():
            path = ("key", "map", text)
            raw = self._bytes(path, text)
            end = offset + len(raw)
            for other in values:
                if raw and other and (raw.startswith(other) or other.startswith(raw)):
                    self.problems.add(path, f"cannot be told from {other.hex(' ')}: one begins with the other")
            if end > self._max_body():
                self.problems.add(path, f"ends at byte {end}, behind frame.max_body, {self._max_body()}")
            elif frame.body_bytes not in (None, end) and reasons is None:
                self.problems.add(path, f"ends at byte {end}, but frame.body_bytes says {frame.body_bytes}")
            if reasons and reasons.offset is not None and reasons.offset < end:
                self.problems.add(("reasons", "offset"), f"lies inside a key that ends at byte {end}")
            values[raw] = means
        if not any(isinstance(means, int) for means in values.values()):
            self.problems.add(("key", "map"), "has no value for a level 1 to 5")
        return Keys(starts, offset, values, reasons, open_end=frame.cut == "report")

    def _max_body(self) -> int:
        """Return the longest body: a report has room for so much and no more."""
        frame, report = self.profile.frame, self.profile.report
        return max(report.bytes, report.size_out) if frame.cut == "report" and report else frame.max_body

    def _check_link(self, protocol: Protocol) -> None:
        """Check that the sections fit what the pad is connected by."""
        profile, cut = self.profile, self.profile.frame.cut
        if (profile.report is not None) != (profile.link == "reports"):
            self.problems.add(("report",), 'has to be there with link = "reports", and only then')
        if profile.link != "serial" and profile.line != LineSection(init=profile.line.init):
            self.problems.add(("line",), "is for serial pads, but for its init")
        if profile.link == "keys":
            named = {
                "line": profile.line.init is not None,
                "send": profile.send != SendSection(),
                "answer": profile.answer is not None,
                "heartbeat": profile.heartbeat is not None,
                "repeat": profile.repeat is not None,
            }
            for name in (name for name, there in named.items() if there):
                self.problems.add((name,), "cannot be: a keyboard is told nothing")
        if cut == "report" and (profile.link != "reports" or any(isinstance(p, Field) for p in protocol.shape.before)):
            self.problems.add(("frame", "cut"), 'is only for link = "reports", with bytes and {body} in the layout')
        if cut == "report" and protocol.shape.after:
            self.problems.add(LAYOUT, 'has to end with {body} with cut = "report"')
        if profile.link == "reports" and cut in ("fixed-length", "idle-gap"):
            self.problems.add(("frame", "cut"), 'cannot tell a frame from the zeros behind it: use "report"')
        self._check_reports(protocol)

    def _check_reports(self, protocol: Protocol) -> None:
        """Check that everything that is sent has room in a report."""
        report = self.profile.report
        if report is None:
            return
        around = protocol.shape.width_before + protocol.shape.width_after
        sends = {("send", "request"): protocol.request, ("send", "cancel"): protocol.cancel}
        sends |= {("send", "key_taken"): protocol.key_taken}
        sizes = {path: around + width_of(parts) for path, parts in sends.items() if parts}
        for path, size in (sizes | {("line", "init"): len(protocol.init)}).items():
            if size > report.size_out:
                self.problems.add(path, f"makes {size} bytes, but a report has {report.size_out}")

    def _check_talk(self) -> None:
        profile = self.profile
        if profile.repeat and not profile.send.key_taken:
            self.problems.add(("send", "key_taken"), "is missing, but the pad repeats a key until it is acknowledged")
        if profile.answer and not profile.send.request:
            self.problems.add(("send", "request"), "is missing, but the pad answers one")

    def _check_confusion(self, protocol: Protocol) -> None:
        """Check that no body could be two things at once."""
        keys = protocol.keys
        touching = keys.offset == len(keys.starts)
        bodies = [keys.starts + raw for raw in keys.values] if touching else [keys.starts]
        named = {("answer", "accepted"): protocol.accepted, ("heartbeat", "starts"): protocol.heartbeat}
        for path, mine in named.items():
            others = [*bodies, *(each for other, each in named.items() if other != path and each)]
            if mine and any(mine.startswith(other) or other.startswith(mine) for other in others):
                self.problems.add(path, "cannot be told from a key, or from the other: one begins with the other")


def _fields(parts: tuple[Part, ...], name: str) -> list[Field]:
    return [part for part in parts if isinstance(part, Field) and part.name == name]
