"""The verb itself: flags, then questions, then a configuration, then what to do next."""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import ConfigError
from edge.tools.discover import command as discover
from edge.tools.discover.texts import language
from edge.tools.discover.things import Findings
from edge.tools.files import DEFAULT_CONFIG
from edge.tools.init import answers as checks
from edge.tools.init import devices, guesses, outcome, site_command, writing
from edge.tools.init.answers import Answers
from edge.tools.init.devices import Choice
from edge.tools.init.interview import QUESTIONS, Interview
from edge.tools.init.outcome import Outcome, Place, Wishes
from edge.tools.init.texts import TEXTS

EXIT_INTERRUPTED = 130
_FLAGS = {"hall": "--hall", "window": "--window", "broker": "--broker", "office": "--subscriber or --lab"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge init``."""
    asked = parser.add_argument_group("answers; what is not given is asked for")
    asked.add_argument("--hall", metavar="NAME")
    asked.add_argument("--window", metavar="NAME", help="with --site: HALL/WINDOW instead of looking for this PC")
    asked.add_argument("--broker", metavar="URL", help="mqtts://HOST:PORT")
    asked.add_argument("--subscriber", action="append", metavar="NAME=FILE", help="its public key; may be repeated")
    asked.add_argument("--lab", action="store_true", help="a test PC, never for citizens")
    asked.add_argument("--device", action="append", metavar="DEVICE",
                       help='a name from discover, all, none, or "name=… driver=… address=… key=value"')  # fmt: skip
    asked.add_argument("--ca", metavar="FILE", help="the broker's authority (default: ca.pem, where there is one)")
    asked.add_argument("--crl", metavar="FILE", help="its revocation list (default: crl.pem, where there is one)")
    asked.add_argument("--certificate", metavar="FILE", help="this window's (default: window.pem)")
    asked.add_argument("--key", metavar="FILE", help="its private key (default: window.key)")
    asked.add_argument("--username", metavar="NAME", help="for a broker that asks for one")
    asked.add_argument("--password-file", metavar="FILE")
    asked.add_argument("--yes", "-y", action="store_true", help="ask nothing: take what was found")
    fleet = parser.add_argument_group("a district's site file")
    fleet.add_argument("--site", metavar="FILE", help="take this PC's window from it")
    fleet.add_argument("--check", action="store_true", help="check every window in it, and write nothing")
    fleet.add_argument("--list", action="store_true", help="print its windows, as hall-edge-ca takes them")
    written = parser.add_argument_group("what is written")
    written.add_argument("--config", "-c", default=DEFAULT_CONFIG, metavar="FILE", help="default: %(default)s")
    written.add_argument("--force", action="store_true", help="replace a configuration; the old one is kept as .bak")
    written.add_argument("--dry-run", action="store_true", help="print it")
    written.add_argument("--credentials", action=argparse.BooleanOptionalAction, default=None,
                         help="let systemd hand the key to the daemon (default: with the usual FILE)")  # fmt: skip
    written.add_argument("--tpm", action=argparse.BooleanOptionalAction, default=None,
                         help="seal the key to this PC's TPM (default: where there is one)")  # fmt: skip
    written.add_argument("--root", default="", metavar="DIR", help="of a system that does not run")
    parser.add_argument("--network", action="store_true", help="look for devices on the network too")
    parser.add_argument("--lang", choices=("zh", "en"), default=language(), help="default: the locale, else zh")


def run(chosen: argparse.Namespace) -> int:
    """Write the configuration, or say why not; see :mod:`edge.cli` for the exit codes."""
    place = Place(str(Path(chosen.config).absolute()), chosen.root.rstrip("/"))
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file is TOML, whatever the terminal can show
        sys.stdout.reconfigure(encoding="utf-8" if chosen.dry_run else None, errors="replace")
    if chosen.credentials and not place.is_standard:
        action = f"leave it out, or write {DEFAULT_CONFIG}"
        raise checks.wrong("CFG-192", "systemd starts the daemon with another file", action, "--credentials")
    at_a_desk = bool(chosen.site and chosen.dry_run)
    wishes = Wishes(chosen.lang, chosen.credentials, chosen.tpm, elsewhere=at_a_desk)
    try:
        if chosen.site:
            return site_command.run(chosen, place, wishes)
        for flag in ("check", "list"):
            if getattr(chosen, flag):
                raise checks.wrong("CFG-192", "only with --site", "add --site FILE", f"--{flag}")
        return _write(chosen, place, wishes)
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{TEXTS[chosen.lang]['stopped']}\n")
        return EXIT_INTERRUPTED


def _write(chosen: argparse.Namespace, place: Place, wishes: Wishes) -> int:
    there = outcome.is_there(place)
    if not chosen.dry_run:
        if there and not chosen.force:
            raise writing.there_already(place.path)
        outcome.can_write(place)
    interview = _interview(chosen, place)
    if chosen.yes:
        _take_defaults(interview)
    else:
        interview.hold()
    made = _prepared(interview, place, wishes)
    if chosen.dry_run:
        sys.stdout.write(made.text)
        return 0
    made.write(instead=there, keep=True)
    _tell(made, was_there=there)
    return 0


def _interview(chosen: argparse.Namespace, place: Place) -> Interview:
    """Return the questions with what the flags say already; raises :class:`ConfigError` for a flag that is wrong."""
    found: list[Choice] = []

    def look() -> list[Choice]:
        if not found:
            findings = discover.look(None, Findings(), lambda _: None, network=chosen.network)
            found.extend(devices.choices(findings))
        return found

    answers = _flags(chosen, place)
    if chosen.device is not None:
        answers.devices = devices.given(chosen.device, look() if devices.needs_search(chosen.device) else ())
    defaults = guesses.guess(place)
    fixed = ("devices",) if chosen.device is not None else ()
    return Interview(answers, defaults, look, chosen.lang, place.root, for_unit=place.is_standard, fixed=fixed)


def _flags(chosen: argparse.Namespace, place: Place) -> Answers:
    def path(name: str) -> str:
        text = getattr(chosen, name.replace("-", "_"))
        if not text:
            return ""
        made = checks.placed(
            f"--{name}", lambda one: checks.checked_path(one, place.root, for_unit=place.is_standard), text
        )
        return str(made)

    answers = Answers(lab=chosen.lab, username=chosen.username or "")
    for name, check in (("hall", checks.checked_hall), ("window", checks.checked_name)):
        if text := getattr(chosen, name):
            setattr(answers, name, checks.placed(f"--{name}", check, text))
    if chosen.broker:
        answers.url = checks.placed("--broker", checks.checked_broker, chosen.broker)
    answers.ca, answers.crl, answers.certificate, answers.key, answers.password_file = map(
        path, ("ca", "crl", "certificate", "key", "password-file")
    )
    if chosen.subscriber is not None:
        answers.subscribers = [_subscriber(text, place) for text in chosen.subscriber]
    return answers


def _subscriber(text: str, place: Place) -> tuple[str, str]:
    name, _, key = text.partition("=")
    name = checks.placed("--subscriber", checks.checked_name, name)
    if not key:
        return name, ""
    check = lambda one: checks.checked_key(one, place.root, for_unit=place.is_standard)  # noqa: E731
    return name, checks.placed("--subscriber", check, key)


def _take_defaults(interview: Interview) -> None:
    """Answer every question by what Enter would take; raises :class:`ConfigError` naming the flags that are missing."""
    answers, defaults = interview.answers, interview.defaults
    answers.hall = answers.hall or defaults.get("hall", "")
    answers.window = answers.window or defaults.get("window", "")
    answers.url = answers.url or defaults.get("broker", "")
    if answers.subscribers is None and not answers.lab and (path := defaults.get("office")):
        answers.subscribers = [(checks.named_after(path), path)]
    known = {"hall": answers.hall, "window": answers.window, "broker": answers.url,
             "office": answers.lab or answers.subscribers is not None}  # fmt: skip
    missing = [_FLAGS[name] for name in QUESTIONS if name in known and not known[name]]
    if missing:
        raise checks.wrong("CFG-191", f"not known: {', '.join(missing)}", "add these flags, or leave out --yes")
    if answers.devices is None:
        answers.devices = devices.given(["all"], interview.look())


def _prepared(interview: Interview, place: Place, wishes: Wishes) -> Outcome:
    while True:
        guesses.add_files(interview.answers, interview.defaults)
        try:
            return outcome.prepare(interview.answers.document(), place, wishes, lambda _: _head(wishes))
        except ConfigError as error:
            if not interview.again(error.problems):
                raise


def _head(wishes: Wishes) -> Sequence[str]:
    heads = {
        "zh": "由 hall-edge init 生成。#key = … 是默认值或示例；修改后运行 hall-edge check 检查。",
        "en": "Made by hall-edge init. #key = … shows a default or an example; after a change: hall-edge check",
    }
    return [heads[wishes.language]]


def _tell(made: Outcome, *, was_there: bool) -> None:
    """Print what was done, and exactly what to do next."""
    texts, place = TEXTS[made.wishes.language], made.place
    lines = made.said + [texts["warning"].format(text=warning) for warning in made.config.warnings]
    lines += [texts["lab"]] * made.config.window.lab
    if place.is_standard:
        steps = ["sudo systemctl daemon-reload"] if made.handover.text() else []
        steps += [f"sudo systemctl {'restart' if was_there else 'start'} hall-edge", "sudo hall-edge selftest"]
    else:
        steps = [f"hall-edge run --config {place.config}", f"hall-edge selftest --config {place.config}"]
    columns = shutil.get_terminal_size().columns
    next_ = f"{texts['next']} {' ; '.join(steps)}"
    lines += [next_] if len(next_) + 8 < columns else [texts["next"], *(f"  {step}" for step in steps)]
    sys.stdout.write("\n".join(lines) + "\n")
