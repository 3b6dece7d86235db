"""Run simulated devices from the command line: ``python -m simulators --dir DIR NAME=MODEL[,opt=val…] …``."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from simulators.bench import Bench, BenchClosed
from simulators.device import Device
from simulators.models import MODELS, SERVED, make_model
from simulators.port import SerialPort
from simulators.scenario import Scenario, Step, read_scenario, split_line
from simulators.served import ServedDevice
from simulators.words import ScenarioError, Words

WORDS_HELP = """words without a device:
  wait S
  repeat [N] … end    N times, or for ever
actions of every device (answer=HEX: only the answer to this command; times=N: the next N answers):"""


class Session:
    """Play a scenario and the lines of standard input on a bench, and report what is done."""

    def __init__(self, bench: Bench) -> None:
        self.failed = False
        self._bench = bench

    def say(self, text: str) -> None:
        """Write one line at once; a reader that has gone is no reason to stop the devices."""
        with suppress(BrokenPipeError):
            write_line(sys.stdout, text)

    def report(self, step: Step) -> None:
        """Tell which action is done: device and action only, as the rest may name a person."""
        self.say(f"{step.where} {' '.join(step.words[:2])}")

    def play(self, scenario: Scenario) -> None:
        """Play a scenario to its end."""
        try:
            self._bench.run(scenario, self.report)
            self.say("scenario done")
        except BenchClosed:
            return
        except ScenarioError as error:
            self.complain(error)
            self.failed = True

    def obey(self, lines: Iterator[str]) -> None:
        """Do line after line; a wrong one is reported and skipped."""
        for number, line in enumerate(lines, start=1):
            where = f"stdin:{number}"
            try:
                words = split_line(line)
                self._bench.do(line, limit_s=None)
            except BenchClosed:
                return
            except ScenarioError as error:
                self.complain(error.at(where))
            else:
                if words:
                    self.report(Step(words, where))

    def complain(self, error: ScenarioError) -> None:
        """Write what is wrong with a line."""
        write_line(sys.stderr, str(error))


def write_line(out: TextIO, text: str) -> None:
    """Write a line without the lock of *out*: Python aborts where a thread has it when the program ends."""
    rest = f"{text}\n".encode("utf-8", errors="replace")
    while rest:
        rest = rest[os.write(out.fileno(), rest) :]


def lines_of(descriptor: int) -> Iterator[str]:
    """Read lines without the lock of ``sys.stdin``, which a thread that waits would keep for ever."""
    rest = b""
    while data := os.read(descriptor, 65536):
        *lines, rest = (rest + data).split(b"\n")
        yield from (line.decode("utf-8", errors="replace") for line in lines)
    if rest:
        yield rest.decode("utf-8", errors="replace")


def add_device(bench: Bench, text: str) -> None:
    """Put a device on the bench as written on the command line: NAME=MODEL[,option=value…]."""
    name, equals, rest = text.partition("=")
    model, *options = rest.split(",")
    if not equals or not model:
        raise ScenarioError(f"a device is written NAME=MODEL[,option=value…], not {text!r}")
    try:
        bench.add_words(name, model, Words(options))
    except ScenarioError as error:
        raise error.at(name) from None
    except OSError as error:
        raise ScenarioError(f"cannot plug: {error}", name) from error


def listing() -> str:
    """Describe all models, their options and actions."""
    lines = [WORDS_HELP]
    common: set[str] = set()
    for name in MODELS:
        model = make_model(name, Words(), 0)
        device = Device(name, name, model, SerialPort(Path(name)), lambda _: None, 0)
        if not common:
            common = set(device.helps()) - set(model.actions())
            lines += [f"  {device.helps()[action]}" for action in device.helps() if action in common]
        lines += [f"{name} - {model.summary}", "  options:"]
        lines += [f"    {option}= {text}" for option, text in model.options.items()]
        lines += ["  actions:", *(f"    {device.helps()[action]}" for action in model.actions())]
    for name, make in SERVED.items():
        served = make(Path(name), Words(), 0)
        face = ServedDevice(name, name, served, lambda: None)
        lines += [f"{name} - {served.summary}", "  options:"]
        lines += [f"    {option}= {text}" for option, text in served.options.items()]
        lines += ["  actions:", *(f"    {face.helps()[action]}" for action in served.actions())]
    return "\n".join(lines)


def arguments() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description="Simulated window devices.")
    parser.add_argument("devices", nargs="*", metavar="NAME=MODEL[,opt=val…]", help="a device, at DIR/NAME")
    parser.add_argument("--dir", type=Path, help="where the ports appear")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="play it, stay until a signal")
    parser.add_argument("--seed", type=int, default=0, help="make other people, with the same words")
    parser.add_argument("--list", action="store_true", help="list models, options and actions")
    return parser


def serve(options: argparse.Namespace, stop: "SimpleQueue[str]") -> int:
    """Plug everything, say ``ready``, obey until told to stop."""
    with Bench(options.dir, options.seed) as bench:
        session = Session(bench)
        for text in options.devices:
            add_device(bench, text)
        scenario = read_scenario(options.scenario) if options.scenario else None
        session.say("ready")

        def obey_input() -> None:
            session.obey(lines_of(sys.stdin.fileno()))
            if scenario is None:
                stop.put("end of input")

        def play_scenario() -> None:
            session.play(scenario or ())
            if session.failed:
                stop.put("scenario failed")

        threading.Thread(target=obey_input, daemon=True).start()
        if scenario is not None:
            threading.Thread(target=play_scenario, daemon=True).start()
        stop.get()
    return 1 if session.failed else 0


def main() -> int:
    """Run the command line; 0 = ended as asked, 1 = the scenario failed, 2 = nothing was started."""
    parser = arguments()
    options = parser.parse_args()
    if options.list:
        sys.stdout.write(f"{listing()}\n")
        return 0
    if options.dir is None or not options.devices:
        parser.error("--dir and at least one device are needed")
    stop: SimpleQueue[str] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.put("signal"))
    try:
        return serve(options, stop)
    except ScenarioError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
