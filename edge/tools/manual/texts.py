"""What the manual pages say that the program's arguments do not: written by hand."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "name": "NAME",
    "synopsis": "SYNOPSIS",
    "description": "DESCRIPTION",
    "arguments": "ARGUMENTS",
    "options": "OPTIONS",
    "exits": "EXIT STATUS",
    "files": "FILES",
    "environment": "ENVIRONMENT",
    "examples": "EXAMPLES",
    "see": "SEE ALSO",
}
OVERVIEW_NAME = "the hardware of a service-hall window, over MQTT"
OVERVIEW = """
hall-edge owns the devices of a window: readers of identity and smart cards, document camera, scanner, evaluation
pad and scan gun. What they do becomes events that are kept on this PC until the back office has confirmed them;
personal data leaves it only sealed.

The daemon is started by systemd (hall-edge.service). The other verbs ask the running daemon, prepare its
configuration, or stand by themselves. A technician begins with hall-edge selftest.
"""
NAMES: Mapping[str, str] = {
    "run": "run the daemon of a service-hall window",
    "check": "check a configuration; no device is touched",
}
"""What the verbs are for whose parser does not say it."""
PAGES: Mapping[str, str] = {
    "run": """
        Runs until SIGTERM, in the foreground; systemd does this. SIGHUP, or hall-edge reload, reads the
        configuration anew.
    """,
    "check": """
        Names every mistake of a configuration at once, each with its line, its cause and one thing to do. It
        needs no daemon and touches no device.
    """,
    "selftest": """
        Tells whether this window can open: configuration, service, store, disk, clock, certificates, broker and
        its rights, every subscriber, and every device by its own driver's checks. The last line is the answer,
        and who can mend what does not work.

        A running daemon is asked over its socket; a device that serves a citizen is not disturbed. Where no
        daemon runs, the devices are opened by the self-test itself. Only one self-test runs at a time.

        Every line begins with what came of it, [ OK ], [WARN], [FAIL] or [SKIP], a stable code, the seconds it
        took and the name of what was checked. A warning or a failure also says what it means for the window and
        the one thing to do. The result goes to standard output, progress to standard error.

        With --json the report is one object, the same in every language; its schema is selftest-report.json among the
        documents of the contract.

        With --report a page for the files is written, in HTML or PDF. Its check value is the SHA-256 of the
        report as JSON with sorted keys, without blanks and without the value itself; hall-edge selftest --verify
        FILE makes it anew from a saved report.
    """,
    "status": """
        Shows what the running daemon says of itself now: on top the one problem to see to first; every device
        with its state and when it was last proven to live; the broker; how far events have come (accepted, sent,
        brokered, confirmed); and how much personal data this PC has read and keeps.
    """,
    "watch": """
        Shows what hall-edge status shows, live. On a terminal the screen is redrawn every second and given back
        at the end; when the daemon has not answered for 10 seconds it says so. Elsewhere every change is a line
        with its time.
    """,
    "explain": """
        Tells what a code means for the window, the one thing to do, and who can do it. It needs no daemon and no
        network.
    """,
}
DEFAULTS: Mapping[str, str] = {"run_dir": "/run/hall-edge"}
"""Defaults that depend on the PC where the pages are made."""
_USAGE = {"2": "The arguments are wrong.", "130": "Interrupted by Ctrl-C."}
EXITS: Mapping[str, Mapping[str, str]] = {
    "*": {"0": "Done.", "1": "It failed, and said why.", **_USAGE, "5": "The configuration is not valid."},
    "run": {
        "0": "Ended by SIGTERM.",
        "1": "A part of the daemon failed; systemd starts it again.",
        **_USAGE,
        "5": "The configuration is not valid.",
        "7": "Another daemon runs.",
    },
    "selftest": {
        "0": "The window can open; there may be warnings, unless --strict was given.",
        "1": "A check failed, or a saved report was altered.",
        "2": "The arguments are wrong, or level interactive was asked for without a terminal.",
        "3": "No daemon answers in the run folder that --run names.",
        "4": "This user may not ask the daemon.",
        "5": "The configuration is not valid.",
        "6": "The daemon that tests has said nothing for too long.",
        "7": "Another self-test runs; who started it is said.",
        "130": "Interrupted by Ctrl-C.",
        "--nagios": "0 all is well, 1 there are warnings, 2 a check failed, 3 it could not be tested.",
    },
    "status": {
        "0": "Every device is usable and nobody is needed.",
        "1": "A device is not usable, or somebody is needed.",
        **_USAGE,
        "3": "No daemon answers.",
    },
    "watch": {"0": "The daemon has ended.", "1": "It failed, and said why.", **_USAGE, "3": "No daemon answers."},
    "reload": {"0": "Taken.", "1": "It failed, and said why.", **_USAGE, "3": "No daemon answers."},
}
FILES: Mapping[str, str] = {
    "/etc/hall-edge/hall-edge.toml": "The configuration; see hall-edge.toml(5).",
    "/var/lib/hall-edge": "The store and what else must last; no other program opens it.",
    "/run/hall-edge/control.sock": "The daemon's socket: for root, its own user and the group hall-edge.",
}
ENVIRONMENT: Mapping[str, str] = {
    "LC_ALL, LC_MESSAGES, LANG": (
        "The language where --lang is not given: English where the first that is set begins with en, else Chinese."
    ),
    "NO_COLOR": "When it is set and not empty, nothing is coloured.",
    "COLUMNS": "The width of the lines where the output is no terminal.",
    "RUNTIME_DIRECTORY": "The daemon's run folder where --run is not given.",
}
EXAMPLES: Mapping[str, str] = {
    "selftest": """\
hall-edge selftest
hall-edge selftest --level interactive id-1
hall-edge selftest --lang en --report report.pdf
hall-edge selftest --nagios""",
    "status": "hall-edge status --json | jq .health.ladder",
    "watch": "hall-edge watch --lang en",
    "explain": "hall-edge explain SER-104",
}
SEE: Mapping[str, tuple[str, ...]] = {
    "selftest": ("hall-edge-explain(1)", "hall-edge-status(1)"),
    "status": ("hall-edge-selftest(1)", "hall-edge-watch(1)"),
    "watch": ("hall-edge-status(1)",),
    "explain": ("hall-edge-selftest(1)",),
    "check": ("hall-edge-init(1)",),
    "discover": ("hall-edge-init(1)", "hall-edge-check(1)"),
}
