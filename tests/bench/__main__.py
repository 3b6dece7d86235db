"""``python -m tests.bench``: prints what this machine does; ``docs/performance.md`` says what it means."""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench import against, profiling, report
from tests.bench.contenders import TOPICS
from tests.bench.course import Course
from tests.bench.failure import BenchFailure
from tests.bench.fleet import run
from tests.bench.listener import Listener
from tests.bench.machine import OtherWork, describe
from tests.bench.measures import MEASURES, Measures, Plan
from tests.support.broker import Broker

DISK = "/var/tmp"  # noqa: S108  # /tmp is often no disk, and a sync would cost nothing there
QUIET_BROKER = ("log_type none", "log_type error")


class Ground(NamedTuple):
    """Where everything runs."""

    folder: Path
    broker: int
    course: Course


def main() -> int:
    """Run the command line; 0 = measured (whatever the verdicts), 1 = a message was lost or a program failed."""
    chosen = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    plan = Plan.quick() if chosen.quick else Plan()
    try:
        if chosen.against:
            with _ground(chosen.dir, plan) as ground:
                _print(against.run(ground.folder, ground.broker, ground.course, plan, chosen.against, _say))
        elif chosen.fleet:
            _fleet(chosen)
        elif chosen.profile:
            with _ground(chosen.dir, plan) as ground:
                _print(profiling.run(ground.folder, ground.broker, ground.course, plan.burst, _say))
        else:
            _measure(chosen, plan)
    except BenchFailure as failure:
        _say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under two minutes; rough figures")
    parser.add_argument("--only", action="append", choices=MEASURES, help="this measure; may be given again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    parser.add_argument("--profile", action="store_true", help="where the daemon's time goes in a burst")
    parser.add_argument("--against", type=Path, metavar="DIR", help="latency beside the hall-edge of another checkout")
    parser.add_argument("--fleet", action="store_true", help="many windows against real brokers: ten minutes")
    parser.add_argument(
        "--windows", action="append", type=int, metavar="N", help="a fleet of so many; default: three sizes"
    )
    parser.add_argument("--broker", action="append", choices=run.KINDS, help="the fleet's; default: single and bridged")
    parser.add_argument("--dir", default=DISK, help="a folder on the disk to measure with; default: %(default)s")
    return parser.parse_args()


def _fleet(chosen: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hall-edge-fleet-", dir=chosen.dir))
    others = OtherWork()
    try:
        sizes, kinds = chosen.windows or run.SIZES, chosen.broker or run.KINDS[:2]
        results = run.run(folder, sizes, kinds, 3.0 if chosen.quick else 6.0, _say)
        machine = "\n".join(f"{name}: {value}" for name, value in describe(folder).items())
        _print(f"{machine}\nother work on it: {others.percent():.0f} %\n\n{run.as_text(results)}")
        if chosen.json:
            chosen.json.write_text(f"{run.as_json(results)}\n", encoding="utf-8")
    finally:
        shutil.rmtree(folder)


def _measure(chosen: argparse.Namespace, plan: Plan) -> None:
    others, began = OtherWork(), time.monotonic()
    with _ground(chosen.dir, plan) as ground:
        machine = describe(ground.folder)
        measures = Measures(ground.folder, ground.broker, ground.course, plan, _say)
        rows = list(measures.run(chosen.only or MEASURES))
    result = report.Result(rows, machine, measures.payload_bytes, others.percent(), time.monotonic() - began)
    _print(report.as_text(result, plan.rounds))
    if chosen.json:
        body = json.dumps(report.as_json(result), indent=1, ensure_ascii=False)
        chosen.json.write_text(f"{body}\n", encoding="utf-8")


@contextmanager
def _ground(parent: str, plan: Plan) -> Iterator[Ground]:
    """Lend a folder, a broker and a course; nothing of it remains."""
    folder = Path(tempfile.mkdtemp(prefix="hall-edge-bench-", dir=parent))
    try:
        (folder / "broker").mkdir()
        with Broker(folder / "broker", extra=QUIET_BROKER) as broker:
            listener = Listener(broker.port, TOPICS)
            gc.disable()  # a pause of ours would look like one of theirs
            try:
                yield Ground(folder, broker.port, Course(listener, plan.quiet_s))
            finally:
                gc.enable()
                listener.close()
    finally:
        shutil.rmtree(folder)


def _say(text: str) -> None:
    """Tell what goes on, beside the figures."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
