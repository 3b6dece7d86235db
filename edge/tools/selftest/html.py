"""The printed report as one HTML file: no script runs in it, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html import escape

from edge.messages import Lang
from edge.selftest.model import Report
from edge.tools.columns import wrapped
from edge.tools.selftest.machines import as_json
from edge.tools.selftest.sheet import Row, Sheet, sheet, that_fit

_ROOM, _LARGE = 37, 1.5  # lines of the table, and so many of them for each line of the verdict
_TEXT, _REMARK, _VERDICT = 52, 84, 56  # columns that surely fit on one line of each
_STYLE = """
@page { size: A4; margin: 14mm 15mm }
body { font: 9pt/1.35 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "WenQuanYi Zen Hei", sans-serif;
  color: #000; max-width: 180mm; margin: 0 auto; overflow-wrap: anywhere }
h1 { font-size: 16pt; margin: 0 0 3mm }
dl { display: grid; grid-template-columns: repeat(3, max-content 1fr); gap: 0.5mm 3mm; margin: 0 0 3mm }
dt { color: #555 } dd { margin: 0 }
.verdict { border: 1.5pt solid; padding: 2mm 3mm; font-size: 13pt; font-weight: bold; margin: 0 0 1mm }
table { width: 100%; border-collapse: collapse; margin: 3mm 0 }
td { border-top: 0.4pt solid #999; padding: 0.4mm 1.5mm 0.4mm 0; vertical-align: top }
td:nth-child(-n+2) { font-family: monospace; white-space: nowrap }
.fail, .warn { font-weight: bold } .remark td { border: 0; font-family: inherit; white-space: normal }
.value { font: bold 12pt monospace }
"""


def as_html(report: Report, lang: Lang) -> str:
    """Return the page, with the report as JSON in it for ``--verify``."""
    page = sheet(report, lang)
    rows, left_out = that_fit(page.rows, _lines, _ROOM - _LARGE * len(wrapped(page.verdict, _VERDICT)))
    fields = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in page.fields)
    below = f"<p>{escape(page.left_out.format(count=left_out))}</p>" if left_out else ""
    embedded = as_json(report).replace("<", "\\u003c")
    return f"""<!DOCTYPE html>
<html lang="{"zh-CN" if lang == "zh" else "en"}">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{escape(_title(page))}</title>
<style>{_STYLE}</style>
<h1>{escape(page.title)}</h1>
<dl>{fields}</dl>
<p class="verdict">{escape(page.verdict)}</p>
<p>{escape(page.counts)}</p>
<table>
{"".join(map(_row, rows))}</table>
{below}
<p>{escape(page.value[0])} <span class="value">{escape(page.value[1])}</span><br>{escape(page.verify)}</p>
<p>{escape(page.signature)}</p>
<script type="application/json" id="report">{embedded}</script>
</html>
"""


def _title(page: Sheet) -> str:
    return " ".join([page.title, *(text for _, text in page.fields[:2])])


def _row(row: Row) -> str:
    cells = f'<td class="{row.result}">{escape(row.tag)}</td><td>{escape(row.code)}</td>'
    below = "".join(f'<tr class="remark"><td><td colspan="3">{escape(one)}\n' for one in row.remarks)
    return f"<tr>{cells}<td>{escape(row.name)}<td>{escape(row.text)}\n{below}"


def _lines(row: Row) -> int:
    """Return how many lines *row* takes at most."""
    return len(wrapped(row.text, _TEXT)) + sum(len(wrapped(remark, _REMARK)) for remark in row.remarks)
