"""The report for programs: JSON, JUnit's XML and the line that Nagios takes."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from edge.messages import Lang
from edge.selftest.model import Check, Report
from edge.tools.selftest.text import answer_line, remarks, said
from edge.tools.selftest.value import check_value

OK, WARNING, CRITICAL, UNKNOWN = range(4)
"""Exit codes of a Nagios plugin."""
_NAGIOS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def as_json(report: Report) -> str:
    """Return the report as one JSON object, the same in every language; ``docs/contract/selftest-report.json``."""
    body: dict[str, Any] = msgspec.to_builtins(report)
    return json.dumps(body | {"check_value": check_value(body)}, ensure_ascii=False)


def as_nagios(report: Report, lang: Lang, *, strict: bool) -> tuple[str, int]:
    """Return one line with its performance data, and the plugin's exit code; *strict* takes warnings as failures."""
    code = CRITICAL if report.count("fail") else WARNING if report.count("warn") else OK
    if strict and code == WARNING:
        code = CRITICAL
    figures = " ".join(f"{result}={report.count(result)}" for result in ("ok", "warn", "fail", "skip"))
    return nagios_line(code, answer_line(report, lang), f"{figures} time={report.took_s:.1f}s"), code


def nagios_line(code: int, text: str, figures: str = "") -> str:
    """Return *text* as a plugin says it: nothing in it is taken for performance data."""
    line = f"HALL-EDGE {_NAGIOS[code]} - {' '.join(text.replace('|', '/').split())}"
    return f"{line} | {figures}" if figures else line


def as_junit(report: Report, lang: Lang) -> str:
    """Return the report as JUnit's XML: a check a test case; a warning passes, and says what it is."""
    attributes = {
        "name": f"hall-edge selftest {report.window}",
        "hostname": report.host,
        "timestamp": report.started,
        "tests": str(len(report.checks)),
        "failures": str(report.count("fail")),
        "errors": "0",
        "skipped": str(report.count("skip")),
        "time": f"{report.took_s:.3f}",
    }
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", attributes)
    for check in report.checks:
        _case(suite, check, lang)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _case(suite: ET.Element, check: Check, lang: Lang) -> None:
    attributes = {"classname": check.part, "name": f"{check.name} {check.code}", "time": f"{check.took_s:.3f}"}
    case = ET.SubElement(suite, "testcase", attributes)
    message = said(check, lang)
    if check.result == "skip":
        ET.SubElement(case, "skipped", {"message": message})
    elif check.result == "fail":
        failure = ET.SubElement(case, "failure", {"message": message, "type": check.code})
        failure.text = "\n".join(text for _, text in remarks(check, lang))
    elif check.result == "warn":
        out = ET.SubElement(case, "system-out")
        out.text = "\n".join([f"WARN {check.code}: {message}", *(text for _, text in remarks(check, lang))])
