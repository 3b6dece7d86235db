"""A window to be tested: one device works, one is unplugged; and the command as a shell would run it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from edge import cli
from edge.messages import catalogue
from edge.selftest.model import Check, Report, answer
from edge.tools.columns import width
from tests.support.window import WindowUnderTest

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LINE = re.compile(r"(\[ OK \]|\[WARN\]|\[FAIL\]|\[SKIP\])  ([A-Z]{3}-\d{3}) +(\d+\.\d)s  (\S+) +(\S.*)")
LABELS = {"影响：": "effect", "effect: ": "effect", "处理：": "action", "action: ": "action",
          "详情：": "details", "details: ": "details"}  # fmt: skip


class Done(NamedTuple):
    """What a run of the command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(*arguments: str) -> Done:
    """Run the command in this process: its outputs are no terminals."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(arguments)
        except SystemExit as usage:
            code = int(usage.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def selftest(window: WindowUnderTest, *arguments: str) -> Done:
    """Test *window* by its daemon."""
    return run("selftest", "--config", str(window.config_path), "--run", str(window.folder / "run"), *arguments)


def in_a_process(*arguments: str, environ: Mapping[str, str] | None = None) -> Done:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", *arguments], capture_output=True, text=True, timeout=30, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **(environ or {})},
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def skeleton(lines: list[str]) -> list[str]:
    """Return *lines* without what is said in a language, and without what takes its time."""
    found = []
    for line in lines:
        label = next((name for text, name in LABELS.items() if line.strip().startswith(text)), None)
        if fixed := LINE.fullmatch(line):
            tag, code, _, name, text = fixed.groups()
            found.append(f"{tag} {code} {name} @{width(line[: line.rindex(text)])}")
        elif label is not None:
            found.append(f"{len(line) - len(line.lstrip())} {label}")
        elif set(line) == {"-"}:
            found.append(f"rule {len(line)}")
        else:
            found.append("said")
    return found


@cache
def report_of_all_codes() -> Report:
    """Return a report in which every code of the catalogue has failed once."""
    checks = tuple(
        Check(part="device", name=f"device-{place % 7}" * (1 + place % 2), code=code, result="fail", took_s=place / 10)
        for place, code in enumerate(catalogue(foreign=False))
    )
    return report_of(*checks)


def report_of(*checks: Check) -> Report:
    return Report(
        hall="test-hall", window="w01", host="hall-w01", version="1.0", level="internal", daemon=True,
        started="2026-11-22T08:41:00+08:00", took_s=5.3, answer=answer(checks), checks=checks,
    )  # fmt: skip
