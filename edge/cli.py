"""The command ``hall-edge``. Each verb is a function here or a module of ``edge.tools``, loaded when it is used."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from edge import __version__, logs
from edge.errors import AlreadyRunning, ConfigError, EdgeError

DEFAULT_CONFIG = "/etc/hall-edge/hall-edge.toml"
EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_CONFIG, EXIT_RUNNING, EXIT_INTERRUPTED = 1, 2, 3, 5, 7, 130

_M_ARENA_MAX = -8  # malloc.h

_TOOLS = {
    "status": "show what the running daemon says now",
    "watch": "show it live, until Ctrl-C",
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
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG
    except AlreadyRunning as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_RUNNING
    except EdgeError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # e.g. `hall-edge listen | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _parser(verb: str | None) -> argparse.ArgumentParser:
    """Return the parser; the arguments of a tool are added only when its *verb* is used."""
    parser = argparse.ArgumentParser(prog="hall-edge", description="The hardware of a service-hall window, over MQTT.")
    parser.add_argument("--version", action="version", version=f"hall-edge {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    run = verbs.add_parser("run", help="the daemon")
    check = verbs.add_parser("check", help="check a configuration; no device is touched")
    for command, action in ((run, _run), (check, _check)):
        command.add_argument("--config", "-c", default=DEFAULT_CONFIG, metavar="FILE", help="default: %(default)s")
        command.set_defaults(run=action)
    for name, text in _TOOLS.items():
        command = verbs.add_parser(name, help=text, description=text)
        if name == verb:
            tool = importlib.import_module(f"edge.tools.{name}")
            tool.add_arguments(command)
            command.set_defaults(run=tool.run)
    return parser


def _run(chosen: argparse.Namespace) -> int:
    from edge.app import Daemon  # the other verbs do not need it
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


def _check(chosen: argparse.Namespace) -> int:
    from edge.config import load
    from edge.config.credentials import Lookup, granted

    config = load(chosen.config, lookup=Lookup(granted()))
    for warning in config.warnings:
        print(warning)  # noqa: T201
    print(  # noqa: T201
        f"{chosen.config}: valid — window {config.window.hall}/{config.window.window}, "
        f"{len(config.devices)} devices, {len(config.subscribers)} subscribers"
    )
    return 0
