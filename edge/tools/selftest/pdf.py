"""The printed report as one A4 page of PDF.

Chinese is set in ``STSong-Light``, which PDF readers know by name and show in the Chinese font that they have: the file
holds no font, and is a few kilobytes. Latin letters and figures are in Helvetica, which every reader brings.
"""

from __future__ import annotations

import io
import itertools
from typing import Any

from edge.messages import Lang
from edge.selftest.model import Report
from edge.tools.columns import wrapped
from edge.tools.selftest.machines import as_json
from edge.tools.selftest.sheet import Row, Sheet, sheet, that_fit
from edge.tools.selftest.value import packed

_A4 = (595.28, 841.89)
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.5, 552.8, 800.0, 42.5
_SIZE, _LINE = 9.0, 13.0
_COLUMN = 0.56  # of the size: no column of ours is wider, on the average of a line
_TAG, _CODE, _NAME, _TEXT = _LEFT, _LEFT + 42, _LEFT + 92, _LEFT + 182
_FOOT = 7 * _LINE  # what stands below the rows
_CHINESE = {  # ISO 32000-1, 9.7.5.2 and 9.7.4: a predefined CMap, and a font that the reader has
    "Type": "/Font",
    "Subtype": "/Type0",
    "BaseFont": "/STSong-Light-UniGB-UTF16-H",
    "Encoding": "/UniGB-UTF16-H",
    "DescendantFonts": [
        {
            "Type": "/Font",
            "Subtype": "/CIDFontType0",
            "BaseFont": "/STSong-Light",
            "CIDSystemInfo": {"Registry": "(Adobe)", "Ordering": "(GB1)", "Supplement": 4},
            "DW": 1000,
            "FontDescriptor": {
                "Type": "/FontDescriptor",
                "FontName": "/STSong-Light",
                "Flags": 6,
                "FontBBox": [-25, -254, 1000, 880],
                "ItalicAngle": 0,
                "Ascent": 880,
                "Descent": -120,
                "CapHeight": 880,
                "StemV": 93,
            },
        }
    ],
}


def as_pdf(report: Report, lang: Lang) -> bytes:
    """Return the page, with the report among its keywords for ``--verify``; ``ImportError`` without pydyf."""
    import pydyf  # type: ignore[import-untyped]  # an extra

    page, document, out = sheet(report, lang), pydyf.PDF(), io.BytesIO()
    stream = pydyf.Stream(compress=True)
    _Page(stream).fill(page)
    fonts = {}
    for name, font in {"L": _latin("Helvetica"), "B": _latin("Helvetica-Bold"), "C": _CHINESE}.items():
        fonts[name] = _object(pydyf, font)
        document.add_object(fonts[name])
    document.add_object(stream)
    sides = {"MediaBox": pydyf.Array([0, 0, *_A4]), "Parent": document.pages.reference, "Contents": stream.reference}
    resources = pydyf.Dictionary({"Font": pydyf.Dictionary({name: font.reference for name, font in fonts.items()})})
    document.add_page(pydyf.Dictionary({"Type": "/Page", "Resources": resources, **sides}))
    document.catalog["Lang"] = pydyf.String("zh-CN" if lang == "zh" else "en")
    document.info["Title"] = pydyf.String(" ".join([page.title, *(text for _, text in page.fields[:2])]))
    document.info["Keywords"] = pydyf.String(packed(as_json(report)))
    document.write(out)
    return out.getvalue()


def _latin(name: str) -> dict[str, Any]:
    return {"Type": "/Font", "Subtype": "/Type1", "BaseFont": f"/{name}", "Encoding": "/WinAnsiEncoding"}


def _object(pydyf: Any, given: Any) -> Any:
    """Return *given*, of dictionaries and lists, as PDF's objects."""
    if isinstance(given, dict):
        return pydyf.Dictionary({key: _object(pydyf, value) for key, value in given.items()})
    return pydyf.Array([_object(pydyf, value) for value in given]) if isinstance(given, list) else given


class _Page:
    """Sets a page from its top down."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._y = _TOP

    def fill(self, page: Sheet) -> None:
        """Set everything; of the rows as many as there is room for."""
        self._line(page.title, _LEFT, 16, bold=True)
        self._y -= 14
        for place, (name, text) in enumerate(page.fields):
            x = _LEFT + (place % 2) * 255
            self._put(f"{name}  {text}", x, _SIZE)
            self._y -= _LINE * (place % 2)
        self._y -= 10
        self._paragraph(page.verdict, _LEFT, 13, bold=True)
        self._paragraph(page.counts, _LEFT, _SIZE)
        rows, left_out = that_fit(page.rows, _height, self._y - _BOTTOM - _FOOT)
        for row in rows:
            self._row(row)
        self._rule()
        if left_out:
            self._line(page.left_out.format(count=left_out), _LEFT, _SIZE)
        self._y -= 6
        self._line("  ".join(page.value), _LEFT, 12, bold=True)
        self._paragraph(page.verify, _LEFT, 8)
        self._y -= 8
        self._line(page.signature, _LEFT, _SIZE)

    def _row(self, row: Row) -> None:
        self._rule()
        for text, x in ((row.tag, _TAG), (row.code, _CODE), (row.name[:16], _NAME)):
            self._put(text, x, _SIZE, bold=row.result in ("fail", "warn"))
        self._paragraph(row.text, _TEXT, _SIZE)
        for remark in row.remarks:
            self._paragraph(remark, _CODE, _SIZE)

    def _paragraph(self, text: str, x: float, size: float, *, bold: bool = False) -> None:
        for line in wrapped(text, _columns(x, size)):
            self._line(line, x, size, bold=bold)

    def _line(self, text: str, x: float, size: float, *, bold: bool = False) -> None:
        self._put(text, x, size, bold=bold)
        self._y -= _LINE * size / _SIZE

    def _put(self, text: str, x: float, size: float, *, bold: bool = False) -> None:
        out = self._stream
        out.begin_text()
        out.move_text_to(round(x, 1), round(self._y, 1))
        for plain, run in itertools.groupby(text, str.isascii):
            out.set_font_size(("B" if bold else "L") if plain else "C", size)
            if plain:
                out.show_text_string("".join(run))
            else:
                out.show_text(f"<{''.join(run).encode('utf-16-be').hex()}>")
        out.end_text()

    def _rule(self) -> None:
        out, y = self._stream, round(self._y + _LINE - 3, 1)
        out.set_line_width(0.4)
        out.move_to(_LEFT, y)
        out.line_to(_RIGHT, y)
        out.stroke()


def _columns(x: float, size: float) -> int:
    return int((_RIGHT - x) / (size * _COLUMN))


def _height(row: Row) -> float:
    lines = len(wrapped(row.text, _columns(_TEXT, _SIZE)))
    return _LINE * (lines + sum(len(wrapped(remark, _columns(_CODE, _SIZE))) for remark in row.remarks))
