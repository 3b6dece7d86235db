"""The command ``hall-edge``. Each verb is a function here or a module of ``edge.tools``, loaded when it is used."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from edge import __version__
from edge.errors import AlreadyRunning, ConfigError, EdgeError
from edge.tools.files import DEFAULT_CONFIG

EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_CONFIG, EXIT_RUNNING, EXIT_INTERRUPTED = 1, 2, 3, 5, 7, 130

_EXITS = {ConfigError: EXIT_CONFIG, AlreadyRunning: EXIT_RUNNING}
_M_ARENA_MAX = -8  # malloc.h

_TOOLS = {
    "selftest": "can this window open? tests the window and its devices",
    "status": "show what the running daemon says now",
    "watch": "show it live, until Ctrl-C",
    "explain": "tell what a code means and what to do, without a network",
    "check": "check a configuration; no device is touched",
    "record": "write a device's traffic to a file, with personal data replaced",
    "replay": "play such a file to the daemon, with a broker of its own, and print the events",
    "bundle": "write a diagnostics file for a supplier, without personal data",
    "reload": "let the running daemon read its configuration anew",
    "init": "write this window's configuration, by a few questions, by flags, or from a site file",
    "discover": "list what is plugged in, the driver that fits, and the configuration lines to paste",
    "listen": "print events as a back office sees them",
    "request": "send a command to a device and print its replies",
    "keys": "make key pairs, and look at key files",
    "seal": "seal an event or a request, as windows and the library do",
    "open": "open a sealed event and print it",
    "demo": "run a whole window with simulated devices and an embedded broker",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser(arguments[0] if arguments else None)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except EdgeError as error:
        from edge.messages.telling import tell  # only needed once something is wrong

        tell(error, getattr(chosen, "lang", None))
        return next((code for kind, code in _EXITS.items() if isinstance(error, kind)), EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # e.g. `hall-edge listen | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def whole_parser() -> argparse.ArgumentParser:
    """Return the parser with the arguments of every verb, for the manual and the shells' completion."""
    return _parser(*_TOOLS)


def _parser(*used: str | None) -> argparse.ArgumentParser:
    """Return the parser; the arguments of a tool are added only when it is *used*."""
    parser = argparse.ArgumentParser(prog="hall-edge", description="The hardware of a service-hall window, over MQTT.")
    parser.add_argument("--version", action="version", version=f"hall-edge {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    run = verbs.add_parser("run", help="the daemon")
    run.add_argument("--config", "-c", default=DEFAULT_CONFIG, metavar="FILE", help="default: %(default)s")
    run.set_defaults(run=_run, lang="en")  # what it says goes to the log
    for name, text in _TOOLS.items():
        command = verbs.add_parser(name, help=text, description=text)
        if name in used:
            tool = importlib.import_module(f"edge.tools.{name}")
            tool.add_arguments(command)
            command.set_defaults(run=tool.run)
    return parser


def _run(chosen: argparse.Namespace) -> int:
    import asyncio  # the other verbs do not need these

    from edge import logs
    from edge.app import Daemon
    from edge.config import load
    from edge.lanes.confine import hide_memory, leave_no_dump
    from edge.lanes.spawn import SOCKETS
    from edge.notify import Notifier

    notifier = Notifier()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # a reload waits until there is something to reload
    leave_no_dump()
    if SOCKETS in os.environ:
        hide_memory()
    _share_one_heap()
    os.umask(0o077)
    config = load(chosen.config)
    logs.set_up(config.log.level, as_json=config.log.format == "json")
    for warning in config.warnings:
        logs.get("config").warning(str(warning))
    if config.window.lab:
        logs.get("config").warning("LAB MODE: not for citizens; what is sealed opens with a key of this PC")

    async def run() -> int:
        return await Daemon(config, lambda: load(chosen.config), notifier).run()

    # what drivers print may hold what a device said; the log has a way of its own
    with open(os.devnull, "w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):  # noqa: PTH123
        code = asyncio.run(run())
    # a hung driver's thread must not keep the process: everything that matters is closed by now
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _share_one_heap() -> None:
    """Let no thread have a heap of its own, as glibc gives it: what is freed in one would be no use to the others."""
    with contextlib.suppress(AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
