"""What a scanned code says: AIM identifier, character set. Pure functions and tables, no I/O.

AIM identifiers ``]cm`` after ISO/IEC 15424; confidence of each row in the protocol reference, §6.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge.secret import Secret

Encoding = Literal["utf-8", "gb18030", "latin-1"]

_ROWS: tuple[tuple[str, str, str], ...] = (
    ("A", "01234567", "code-39"),
    ("B", "0", "telepen"),
    ("C", "0", "code-128"),
    ("C", "1", "gs1-128"),
    ("C", "2", "code-128"),
    ("E", "0", "ean-upc"),
    ("E", "123", "ean-upc-add-on"),
    ("E", "4", "ean-8"),
    ("F", "01234", "codabar"),
    ("G", "0", "code-93"),
    ("H", "0", "code-11"),
    ("I", "0123", "interleaved-2-of-5"),
    ("L", "012", "pdf417"),
    ("M", "0", "msi"),
    ("P", "0", "plessey"),
    ("Q", "012456", "qr-code"),
    ("Q", "3", "gs1-qr-code"),
    ("R", "0", "straight-2-of-5"),
    ("S", "0", "standard-2-of-5"),
    ("U", "0", "maxicode"),
    ("X", "0", "other"),
    ("X", "4", "isbn"),
    ("X", "5", "issn"),
    ("d", "013456", "data-matrix"),
    ("d", "2", "gs1-data-matrix"),
    ("e", "0", "gs1-databar"),
    ("h", "0", "han-xin"),
    ("z", "0", "aztec"),
)
SYMBOLOGIES: Mapping[bytes, tuple[str, str]] = {
    identifier.encode("ascii"): (identifier, symbology)
    for letter, modifiers, symbology in _ROWS
    for identifier in (f"]{letter}{modifier}" for modifier in modifiers)
}
"""The first three bytes of a code → its AIM identifier and its symbology."""
AIM_BYTES = 3


def decode(data: bytes, encoding: Literal["auto"] | Encoding) -> tuple[str, Encoding, bytes | None]:
    """Return the text of *data*, the encoding, and *data* itself when the text does not say the same.

    ``auto`` takes UTF-8 when it fits, else GB18030 when it fits, else latin-1, which always does.
    """
    if encoding in ("auto", "utf-8"):
        try:
            return Secret(data.decode("utf-8")), "utf-8", None
        except UnicodeDecodeError:
            if encoding == "utf-8":
                return Secret(data.decode("utf-8", "replace")), "utf-8", data
    if encoding != "latin-1":
        try:
            text = Secret(data.decode("gb18030"))
        except UnicodeDecodeError:
            if encoding == "gb18030":
                return Secret(data.decode("gb18030", "replace")), "gb18030", data
        else:
            return text, "gb18030", None if text.encode("gb18030", "replace") == data else data
    return Secret(data.decode("latin-1")), "latin-1", None
