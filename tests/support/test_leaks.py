"""The guards themselves: what is left behind is named, what is ended in time is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT

LEAKY = """
import asyncio, os, socket, subprocess, sys, threading, time
import pytest
from tests.support import aio, leaks

aio.SETTLE_S = leaks.SETTLE_S = 0.2
kept = []
stop = threading.Event()

def test_thread():
    threading.Thread(target=stop.wait, name="hung-lane", daemon=True).start()

def test_descriptor(tmp_path):
    kept.append((tmp_path / "outbox.db").open("w"))

def test_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_loop():
    kept.append(asyncio.new_event_loop())

def test_child():
    kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))

def test_grandchild():
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)

def test_dropped_file(tmp_path):
    (tmp_path / "dropped").open("w")

async def test_task():
    kept.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))

def test_dropped_task():
    async def main():
        loop = asyncio.get_running_loop()
        asyncio.ensure_future(asyncio.sleep(60))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()

def test_failed():
    threading.Thread(target=stop.wait, daemon=True).start()
    assert False
"""

CLEAN = """
import asyncio, multiprocessing, subprocess, sys, threading, time

def test_thread_that_ends():
    threading.Thread(target=time.sleep, args=(0.2,)).start()

def test_child_that_ends():
    with subprocess.Popen([sys.executable, "-c", ""]):
        pass

def test_spawned_process():
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    process.join()
    process.close()

def test_run():
    asyncio.run(asyncio.to_thread(print))

async def test_task_that_ends(tmp_path):
    asyncio.get_running_loop().call_later(0.1, print)
    asyncio.create_task(asyncio.sleep(0.1))
    assert tmp_path.is_dir()
"""


def run_pytest(folder: Path, source: str) -> str:
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    plugins = ["-p", "tests.support.leaks", "-p", "tests.support.aio", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-W", "error", f"--rootdir={folder}", *plugins, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60).stdout


@pytest.mark.slow
def test_what_is_left_behind_is_named(tmp_path: Path) -> None:
    report = run_pytest(tmp_path, LEAKY)
    assert re.search(r"3 failed, 7 passed, 7 errors in", report), report
    for name in (
        "thread 'hung-lane' (daemon=True) at",
        "outbox.db",
        "AF_INET at ('127.0.0.1', ",
        "event loop not closed",
        "child process",
        "unclosed file",
        "the test left tasks running:\n  <coroutine object sleep",
        "Task was destroyed but it is pending!",
    ):
        assert name in report, report


@pytest.mark.slow
def test_what_ends_in_time_is_no_leak(tmp_path: Path) -> None:
    report = run_pytest(tmp_path, CLEAN)
    assert re.search(r"5 passed in", report), report
