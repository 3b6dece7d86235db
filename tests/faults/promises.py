"""What is promised, how each promise is tested, and the figures that were found: writes ``docs/promises.md``.

``python -m tests.faults.promises`` renders the page anew from the table below and from ``evidence/*.json``, which
``make faults-long`` writes. tests/docs/test_promises.py holds page, tests and evidence together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.project import ROOT

EVIDENCE = ROOT / "evidence"
PAGE = ROOT / "docs" / "promises.md"
LONG = "make faults-long"
SHORT = "make faults"
NOT_FIGURES = frozenset(
    {"name", "trials", "failures", "bound_95_percent", "version", "python", "cores", "kernel", "at", "first_seed"}
)

HEAD = """\
# Promises

What hall-edge promises, how each promise is tested, and what was found. `make faults` runs the short tier in minutes
(it is part of `make test`); `make faults-long` runs the long one in hours and writes `evidence/*.json`, from which
`python -m tests.faults.promises` fills in the figures below.

"0 of N" is a statement with a bound: no failure in N trials means at most 3/N with 95 % confidence. Every figure
stands with its N and with the day, the version and the machine it was found on. A figure that is missing was *not yet
run at full length*.

What the tests do not show: disks that lie about flushing, power that fails while the disk writes (beyond torn
sectors), other kernels than the one named, and hardware: devices are simulators that speak the devices' own bytes.
"""


@dataclass(frozen=True)
class Promise:
    """One promise; *tests* are files, or tests in them; *evidence* are names, with ``*`` for the parts of one run."""

    number: str
    words: str
    how: str
    tests: Sequence[str]
    evidence: Sequence[str] = ()
    command: str = LONG


PROMISES: Sequence[Promise] = (
    Promise(
        "G1",
        "No accepted event is lost when the daemon dies, at any moment.",
        "kill -9 at random moments under load, and one at every commit boundary of a script.",
        ["disk/test_kills.py", "ledger/test_kills.py", "disk/test_migrations.py"],
        ["kills-at-random", "kills-at-commits", "kills-in-migrations", "kill-9-of-the-core-part-*"],
    ),
    Promise(
        "G2",
        "No accepted event is lost by a power cut; nobody has to repair anything.",
        "Every write, sync, rename and truncate of the state folder is logged; every possible cut is replayed: what "
        "was not synced is there, not there, or torn at 512 bytes. And a whole emulated PC is switched off at work.",
        ["disk/test_power_cuts.py", "disk/test_shim.py", "disk/test_migrations.py", "vm/test_power_cuts.py"],
        ["power-cuts", "cuts-in-migrations", "vm-power-cuts"],
    ),
    Promise(
        "G3",
        "No accepted event is lost by a broker that forgets what it has acknowledged.",
        "A real mosquitto with its default persistence, killed under load; a back office that is away meanwhile.",
        ["ledger/test_broker_kills.py", "network/test_forgetful.py"],
        ["kill-9-of-the-broker-part-*", "back-office-away-*"],
    ),
    Promise(
        "G4",
        "Any gap is seen, named, and filled or answered with a tombstone that says why.",
        "Random schedules of loss, duplication, reordering and restarts of all three parties: the subscriber's view "
        "equals the truth.",
        ["ledger/test_schedules.py"],
        ["schedules-of-three-parties-part-*"],
    ),
    Promise(
        "G5",
        "Duplicates are harmless: always the same id, at most one window of them a break, dropped by the library.",
        "Counted in every kill and in every break of the connection.",
        ["ledger/test_kills.py", "network/test_down_and_up.py"],
        ["kill-9-of-the-core-part-*"],
    ),
    Promise(
        "G6",
        "A device in trouble troubles no other one: nothing lost, p99 at most 50 ms more, the same process.",
        "Every device is pulled, hung, killed and flooded beside a gun that scans all the time.",
        ["whole/test_isolation.py"],
        ["isolation-*"],
        "make test-long",
    ),
    Promise(
        "G7",
        "A device that is plugged in again is ready within 2 s (p99), 5 s at most.",
        "Cables of simulated devices, and USB devices of an emulated sysfs, also at another port or node; two readers "
        "of an emulated PC with the kernel's own drivers, udev and pcscd.",
        ["whole/test_hotplug.py", "whole/test_cable.py", "vm/test_replug.py"],
        ["vm-replug-*"],
        command="make test, make vm-test",
    ),
    Promise(
        "G8",
        "A dead connection is noticed within 12 s; back within 5 s (p99) of the broker's return.",
        "A frozen broker, a network that swallows everything, a broker that falls silent; then it comes back.",
        [f"network/test_{name}.py" for name in ("silent", "reconnect", "down_and_up", "daemon")],
        ["g8-*", "n2-drain", "n3-n6-network"],
    ),
    Promise(
        "G9",
        "Status and health are right within 15 s in every fault, and nothing is called ready that is not.",
        "In each fault the retained topics and `hall-edge status` are compared with the truth.",
        ["host/test_truth.py", "network/test_told.py"],
        ["truth-*", "g9-link"],
    ),
    Promise(
        "G10",
        "A daemon that hangs ends itself within 15 s and is ready again within 20 s; a driver's process that dies is "
        "missed within 2 s and replaced.",
        "The event loop, the interpreter itself, the store's and the connection's thread are made to hang; workers "
        "are killed. In an emulated PC systemd's watchdog ends a daemon that is stopped as a whole.",
        ["host/test_stall.py", "host/test_limits.py", "host/test_output.py", "vm/test_restarts.py"],
        ["stall", "worker-killed", "starved", "vm-stall", "vm-kill", "vm-hung-worker", "vm-stop"],
    ),
    Promise(
        "G11",
        "The daemon runs in a sandbox: no root, no capability, no network for drivers.",
        "The packaged units are judged by systemd-analyze, and compared with what the drivers declare; in an emulated "
        "PC every device works under them, and the kernel says of each process what it may not do.",
        ["systemd/test_units.py", "systemd/test_needs.py", "vm/test_window.py", "vm/test_certificates.py"],
        ["vm-security", "vm-credentials"],
        command="make test, make vm-test",
    ),
    Promise(
        "G12",
        "No personal data outside its envelope.",
        "Planted numbers, names, addresses and photographs in six encodings are searched for in logs, broker traffic, "
        "state files and command lines after every whole-daemon test.",
        ["privacy/test_exceptions.py", "privacy/test_lab.py", "support/window.py", "support/canaries.py"],
        command="make test",
    ),
    Promise(
        "G13",
        "Whatever a device or a stranger sends: no crash, no hang, and the next good frame is understood.",
        "Mutated frames, texts in every character set, bombs of pictures, injected topics.",
        ["data/test_texts.py", "data/test_bombs.py", "data/test_injection.py", "drivers/test_idcard_chaos.py"],
        command="make test",
    ),
    Promise(
        "G14",
        "Every driver replays its recordings, split at every byte.",
        "Recorded bytes with their golden events, one byte at a time, and with noise between.",
        ["recordings/test_replay.py"],
        command="make test",
    ),
    Promise(
        "G15",
        "The daemon does not grow: at most 1 MiB in 100,000 events; handles, threads and children stay the same.",
        "A fault every 500 events: cables, workers, brokers killed and frozen, back office restarted, nonsense.",
        ["host/test_soak.py"],
        ["soak"],
    ),
    Promise(
        "G16",
        "No bad command is carried out.",
        "Generated requests: forged, expired, replayed over restarts, retained, for others, nested, oversize.",
        ["commands/test_bad_commands.py", "commands/test_signed_window.py"],
        ["bad-commands*"],
    ),
    Promise(
        "G18",
        "Last byte from the device to the subscriber: p99 at most 150 ms on one PC; the fault handling makes it at "
        "most 1.3 times slower.",
        "`make bench` beside the programs one would write instead, and beside an earlier checkout (`--against`).",
        ["bench/against.py"],
        command='make bench ARGS="--against DIR"',
    ),
    Promise(
        "G19",
        "Small: at rest at most 1 % of a core and 80 MiB without a camera; a picture that is a bomb changes nothing.",
        "`make bench` measures it at rest; bombs are refused before they are decoded.",
        ["data/test_bombs.py", "bench/measures.py"],
        command="make bench",
    ),
    Promise(
        "G20",
        "A disk that is full, read-only or broken costs nothing that was accepted, and recovers where it can.",
        "ENOSPC, EIO and EROFS at every call of a script that reaches the disk; a small disk that fills.",
        ["disk/test_failing_calls.py", "disk/test_small_disk.py", "core/test_salvage.py"],
        ["disk-*", "store-flips"],
    ),
    Promise(
        "G21",
        "A mistake in the configuration is told with file, line, cause and action, in Chinese and English.",
        "Over a hundred broken configurations in both languages; none gives a traceback.",
        ["config/test_broken.py", "config/test_broken_zh.py"],
        command="make test",
    ),
    Promise(
        "G22",
        "The self-test answers whether the window can open: five devices within 10 s, the first line within 200 ms, "
        "each finding with its code and its action.",
        "Every state of every kind of device, ten broken windows mended by what the screen says, a lint of all codes, "
        "and the technician's manual typed on an emulated PC with the package.",
        [
            "whole/test_selftest.py", "selftest/test_device_states.py", "technician/test_ten_windows.py",
            "core/test_messages.py", "vm/test_technician.py",
        ],
        ["vm-technician"],
        command="make test, make vm-test",
    ),
    Promise(
        "G23",
        "The clock may jump by ten years at any time: the same events in the same order, nothing stuck.",
        "The wall clock of the whole daemon is set forward, back, and to 1970 in the middle of sessions.",
        ["host/test_clock.py", "network/test_clock.py"],
        ["clock-jumps"],
    ),
    Promise(
        "G24",
        "An upgrade or a downgrade of the package costs nothing that was accepted; only a purge destroys it.",
        "By apt in a clean chroot, and in an emulated PC at work while the broker is away.",
        ["package/test_life.py", "vm/test_package.py", "disk/test_migrations.py"],
        ["vm-package"],
        command="make package-test, make vm-test",
    ),
)  # fmt: skip


def found() -> dict[str, dict[str, Any]]:
    """Return the evidence there is, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(EVIDENCE.glob("*.json"))}


def fits(pattern: str, name: str) -> bool:
    """Return whether *name* is one of those that *pattern* stands for."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def path_of(test: str) -> str:
    """Return the path of a test's file below tests/."""
    file = test.partition("::")[0]
    folder = "tests/faults" if (ROOT / "tests/faults" / file.partition("/")[0]).is_dir() else "tests"
    return f"{folder}/{file}"


def render(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page."""
    parts = [HEAD, *(_promise(promise, evidence) for promise in PROMISES), _machines(evidence)]
    return "\n".join(part for part in parts if part)


def _promise(promise: Promise, evidence: Mapping[str, Mapping[str, Any]]) -> str:
    tests = ", ".join(f"`{path_of(test)}`" for test in dict.fromkeys(test.partition("::")[0] for test in promise.tests))
    lines = [f"## {promise.number}", "", f"**{promise.words}**", "", promise.how, ""]
    lines += [f"* Tested by {tests or 'nothing in this folder yet'} · `{promise.command}`"]
    for pattern in promise.evidence:
        lines += [f"* {pattern.strip('-*')}: {_figure([evidence[name] for name in evidence if fits(pattern, name)])}"]
    return "\n".join([*lines, ""])


def _figure(runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return "not yet run at full length"
    trials, failures = (sum(int(run[key]) for run in runs) for key in ("trials", "failures"))
    bound = f" (at most {3 / trials:.2g} with 95 % confidence)" if not failures and trials > 1 else ""
    more = "; ".join(_more(run) for run in runs) if len(runs) == 1 else ""
    return f"**{failures} of {trials:,}**{bound}{', ' + more if more else ''}"


def _more(run: Mapping[str, Any]) -> str:
    figures = {key: round(value, 3) if isinstance(value, float) else value for key, value in run.items()}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items() if key not in NOT_FIGURES)


def _machines(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    if not evidence:
        return ""
    return "\n".join(["## Where and when", "", *_runs(evidence.values()), ""])


def _runs(runs: Any) -> Iterator[str]:
    seen = {
        f"* {run['at'][:10]}: hall-edge {run['version']}, Python {run['python']}, Linux {run['kernel']}, "
        f"{run['cores']} cores"
        for run in runs
    }
    yield from sorted(seen)


if __name__ == "__main__":
    PAGE.write_text(render(found()), encoding="utf-8")
