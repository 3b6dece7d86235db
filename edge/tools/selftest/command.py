"""The verb itself: run the self-test, show how it goes on stderr, and its result on stdout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import get_args

from edge.errors import AlreadyRunning, ConfigError, EdgeError
from edge.messages import Lang
from edge.messages.language import add_language_argument, language
from edge.selftest.model import Ask, Begun, Check, Level, Message, Report
from edge.tools.columns import coloured, of_terminal
from edge.tools.files import DEFAULT_CONFIG, FileProblem
from edge.tools.selftest.progress import Progress
from edge.tools.selftest.text import Layout, answer_line, body, header
from edge.tools.selftest.words import WORDS

USABLE, FAILED, USAGE, UNREACHABLE, DENIED, INVALID, LATE, BUSY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 130
"""Exit codes: ``docs/technician.md``."""
_BY_CODE = {"SYS-104": DENIED, "TST-105": LATE, "TST-106": USAGE, "TST-107": USAGE}
_SUFFIXES = (".html", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge selftest``."""
    parser.add_argument("devices", nargs="*", metavar="DEVICE", help="only these devices; none named: the whole window")
    parser.add_argument(
        "--level",
        choices=get_args(Level),
        default="internal",
        help="internal disturbs nobody; external moves paper, lights lamps, beeps; interactive asks a person",
    )
    parser.add_argument("--config", "-c", default=DEFAULT_CONFIG, metavar="FILE", help="default: %(default)s")
    parser.add_argument(
        "--run", dest="run_dir", metavar="DIR", help="ask the daemon with this run folder, and no other"
    )
    add_language_argument(parser)
    parser.add_argument("--strict", action="store_true", help="a warning counts as a failure")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--nagios", action="store_true", help="one line for Nagios, and its exit codes 0 to 3")
    form.add_argument("--quiet", "-q", action="store_true", help="the answer only")
    form.add_argument("--verify", metavar="FILE", help="test nothing: see whether a saved report was altered")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit's XML too; - writes it instead of the text")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write one printable A4 page too: .html or .pdf")


def run(chosen: argparse.Namespace) -> int:
    """Test, and answer; the exit code says whether the window can open."""
    lang = language(chosen.lang)
    if chosen.verify is not None:
        return _verified(Path(chosen.verify), lang)
    if said := _refused(chosen, lang):
        print(said, file=sys.stderr)  # noqa: T201
        return USAGE
    try:
        return _told(_tested(chosen, lang), chosen, lang)
    except EdgeError as error:
        return _failed(error, lang, nagios=chosen.nagios)


def _refused(chosen: argparse.Namespace, lang: Lang) -> str | None:
    """Return why it is not begun."""
    words = WORDS[lang]
    if chosen.level == "interactive" and not (sys.stdin.isatty() and sys.stderr.isatty()):
        return words["no-terminal"]
    if chosen.report is None:
        return None
    if chosen.report.suffix.lower() not in _SUFFIXES:
        return words["bad-report"].format(file=chosen.report)
    if chosen.report.suffix.lower() == ".pdf":
        from importlib.util import find_spec

        if find_spec("pydyf") is None:
            return words["no-pdf"]
    return None


def _tested(chosen: argparse.Namespace, lang: Lang) -> Report:
    """Run the self-test and show how it goes."""
    as_text = not (chosen.json or chosen.nagios or chosen.quiet or chosen.junit == "-")
    progress = Progress(sys.stderr, Layout(lang), quiet=not as_text)
    progress.begin()
    try:
        with closing(_messages(chosen)) as messages:
            for message in messages:
                if isinstance(message, Begun):
                    _begun(message, progress, lang, as_text=as_text)
                elif isinstance(message, Check):
                    progress.check(message)
                elif isinstance(message, Ask):
                    progress.ask(message)
                else:
                    return message
    except KeyboardInterrupt:
        progress.clear()
        print(WORDS[lang]["interrupted"], file=sys.stderr)  # noqa: T201
        raise
    finally:
        progress.clear()
    raise AssertionError("a self-test ended without its report")  # edge.selftest says why, by an error


def _messages(chosen: argparse.Namespace) -> Generator[Message]:
    from edge.selftest.session import selftest  # slow to import: the person has seen a line by now

    return selftest(chosen.config, chosen.run_dir, chosen.level, tuple(chosen.devices))


def _begun(begun: Begun, progress: Progress, lang: Lang, *, as_text: bool) -> None:
    progress.clear()
    if as_text:
        _print(header(begun, Layout(lang, of_terminal(sys.stdout))))
    progress.begun(begun)


def _told(report: Report, chosen: argparse.Namespace, lang: Lang) -> int:
    """Write the result in every form that is asked for; a file that cannot be written hides no result."""
    from edge.tools.selftest import machines

    code = exit_code(report, strict=chosen.strict)
    if chosen.nagios:
        line, code = machines.as_nagios(report, lang, strict=chosen.strict)
        _print([line])
    elif chosen.json:
        _print([machines.as_json(report)])
    elif chosen.junit == "-":
        _print([machines.as_junit(report, lang).rstrip("\n")])
    elif chosen.quiet:
        _print([answer_line(report, lang)])
    else:
        _print(body(report, Layout(lang, of_terminal(sys.stdout), colour=coloured(sys.stdout))))
    if chosen.junit not in (None, "-"):
        _write(Path(chosen.junit), machines.as_junit(report, lang).encode())
    if chosen.report is not None:
        _write(chosen.report, _page(chosen.report, report, lang))
    return code


def exit_code(report: Report, *, strict: bool) -> int:
    """Return what the report comes to for a script."""
    if any(check.part == "config" and check.result == "fail" for check in report.checks):
        return INVALID
    return FAILED if report.count("fail") or (strict and report.count("warn")) else USABLE


def _page(file: Path, report: Report, lang: Lang) -> bytes:
    if file.suffix.lower() == ".pdf":
        from edge.tools.selftest.pdf import as_pdf

        return as_pdf(report, lang)
    from edge.tools.selftest.html import as_html

    return as_html(report, lang).encode()


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise FileProblem(f"{file}: {error.strerror}", code="FIL-101") from None


def _failed(error: EdgeError, lang: Lang, *, nagios: bool) -> int:
    """Say why there is no result; return the exit code for it."""
    from edge.messages.telling import lines

    said = list(lines(error, lang))
    if nagios:
        from edge.tools.selftest.machines import UNKNOWN, nagios_line

        _print([nagios_line(UNKNOWN, " ".join(said))])
        return UNKNOWN
    sys.stderr.writelines(f"{line}\n" for line in said)
    return _code_of(error)


def _code_of(error: EdgeError) -> int:
    from edge.tools.ask import Unreachable

    if isinstance(error, ConfigError):
        return INVALID
    if isinstance(error, AlreadyRunning):
        return BUSY
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return _BY_CODE.get(error.code, FAILED)


def _verified(file: Path, lang: Lang) -> int:
    """Say whether the report in *file* is as it was made."""
    from edge.tools.selftest import value

    words = WORDS[lang]
    try:
        report = value.read(file)
    except value.NoReport:
        print(words["no-report"].format(file=file), file=sys.stderr)  # noqa: T201
        return USAGE
    stated, computed = value.grouped(report["check_value"]), value.check_value(report)
    genuine = report["check_value"] == computed
    _print([words["genuine" if genuine else "altered"].format(stated=stated, value=value.grouped(computed))])
    return USABLE if genuine else FAILED


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
