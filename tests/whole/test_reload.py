"""A new configuration is used as a whole or refused as a whole, and what did not change does not notice."""

from __future__ import annotations

import signal

import pytest

from tests.core.process_rig import children
from tests.faults.host.rig import GUN, start
from tests.support.systemd import NotifySocket
from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest, Wiretap
from tests.whole.reloads import ask_by_command, change, problems, reload, remove

OPENED = "command_12FF"  # the reader is asked for its serial number once each time it is opened


def pad(window: WindowUnderTest, name: str = "pad-1") -> None:
    window.device(name, "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")


def reader(window: WindowUnderTest, name: str = "id-1") -> None:
    window.device(name, "idcard_sdt", 'read = "full"\npurpose = "test"')


@pytest.mark.slow
def test_a_device_that_did_not_change_does_not_notice(window: WindowUnderTest) -> None:
    reader(window)
    reader(window, "id-2")
    pad(window)
    window.device("gun-1", *GUN)
    window.start()
    opened = {name: window.bench.counters(name)[OPENED] for name in ("id-1", "id-2")}
    rating = window.request("pad-1", "evaluate", {"timeout_s": 60})
    window.do("pad-1 wait-request 5")
    change(window, "id-2", 'purpose = "test"', 'purpose = "another"')
    remove(window, "gun-1")
    window.device("gun-2", *GUN)
    done = reload(window)
    assert done == {
        "reloaded": True, "kept": ["id-1", "pad-1"], "opened": ["gun-2"], "reopened": ["id-2"], "closed": ["gun-1"],
    }  # fmt: skip
    wait_until(lambda: [window.states()[name] for name in ("id-2", "gun-2")] == ["ready", "ready"])
    window.do("pad-1 press 5")
    assert rating.completion()["code"] == "ok"
    assert len(window.tap.events("rated")) == 1
    assert window.bench.counters("id-1")[OPENED] == opened["id-1"]
    assert window.bench.counters("id-2")[OPENED] == opened["id-2"] + 1
    window.do("gun-2 scan B1")
    window.do("id-1 insert resident seed=3")
    window.do("id-2 insert resident seed=4")
    purposes = {event["source"]: event["data"]["purpose"] for event in window.tap.wait_events("read", 2)}
    assert [purpose for _, purpose in sorted(purposes.items())] == ["test", "another"]
    assert set(window.states()) == {"id-1", "id-2", "pad-1", "gun-2"}
    _nothing_is_left_of(window, "gun-1")


def _nothing_is_left_of(window: WindowUnderTest, name: str) -> None:
    """Nobody who comes now hears of the device *name*, and it takes no commands."""
    late = Wiretap(window.broker.port)
    wait_until(lambda: late.on("device/gun-2/status") and late.on("device/gun-2/about"))
    assert not [topic for topic, body, _ in late.messages if f"/device/{name}/" in topic and body]
    late.close()
    assert window.request(name, "cancel").completion()["error"]["code"] == "CMD-103"


@pytest.mark.slow
def test_a_card_that_is_being_read_is_read_to_the_end(window: WindowUnderTest) -> None:
    window.device("id-1", "idcard_sdt", 'read = "full"\npurpose = "test"', read_time=1.5)
    pad(window)
    window.start()
    opened = window.bench.counters("id-1")[OPENED]
    window.do("id-1 insert resident seed=5")
    wait_until(lambda: any(count.startswith("command_30") for count in window.bench.counters("id-1")))
    remove(window, "pad-1")
    assert reload(window)["closed"] == ["pad-1"]
    assert not window.tap.events("read")
    (read,) = window.tap.wait_events("read")
    assert read["data"]["purpose"] == "test"
    assert window.bench.counters("id-1")[OPENED] == opened


@pytest.mark.slow
def test_a_bad_configuration_is_refused_and_the_old_one_stays(window: WindowUnderTest) -> None:
    pad(window)
    window.start()
    good = window.config_path.read_text(encoding="utf-8")
    window.config_path.write_text(good.replace("aa55_xor", "aa56_xor") + 'frequence = 3\n[log]\nlevel = "loud"\n')
    refused = ask_by_command(window)
    assert refused.returncode == 5
    lines = refused.stderr.splitlines()
    assert all(line.startswith(f"{window.config_path}:") for line in lines[:-1])
    assert lines[-1] == "nothing was changed: the configuration before is still in use"
    assert window.states() == {"pad-1": "ready"}
    (found,) = (one for one in window.status()["health"]["problems"] if one["code"] == "SYS-160")
    assert "CFG-" in found["message"]
    assert "loud" not in found["message"]  # what stands in the file is for the log, not for the broker
    assert lines[0].rpartition(" [")[0] in window.log_text
    chinese = ask_by_command(window, "--lang", "zh").stderr.splitlines()
    assert [line.partition(": ")[0] for line in chinese[:-1]] == [line.partition(": ")[0] for line in lines[:-1]]
    assert chinese[-1] == "没有任何改动，仍在用之前的配置"
    assert "[log] 写了两次" in chinese[0]
    wait_until(lambda: "SYS-160" in {one["code"] for one in window.tap.on("health")[-1]["problems"]})
    window.config_path.write_text(good + "\n# corrected\n")
    done = ask_by_command(window)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "the new configuration is in use")
    assert "kept: pad-1" in done.stdout
    assert "SYS-160" not in problems(window)
    rating = window.request("pad-1", "evaluate", {"timeout_s": 60})
    window.do("pad-1 wait-request 5")
    window.do("pad-1 press 4")
    assert rating.completion()["code"] == "ok"


@pytest.mark.slow
def test_what_everything_stands_on_needs_a_restart(window: WindowUnderTest) -> None:
    """One such key, and nothing of the file counts before that."""
    pad(window)
    window.start()
    good = window.config_path.read_text(encoding="utf-8")
    for key, old, new in (
        ("window.hall", 'hall = "test-hall"', 'hall = "another"'),
        ("window.window", 'window = "w01"', 'window = "w02"'),
        ("window.lab", "lab = true", "lab = false"),
        ("paths.state", f'state = "{window.folder}/state"', f'state = "{window.folder}/other"'),
        ("paths.run", f'run = "{window.folder}/run"', f'run = "{window.folder}/other"'),
    ):
        assert old in good
        window.config_path.write_text(good.replace(old, new).replace('"aa55_xor"', '"addressable"'))
        refused = ask_by_command(window)
        assert (refused.returncode, key in refused.stderr) == (6, True)
        assert "systemctl restart hall-edge" in refused.stderr
        assert "SYS-161" in problems(window)
    window.config_path.write_text(good)
    assert ask_by_command(window).returncode == 0
    assert "SYS-161" not in problems(window)
    assert window.status()["devices"]["pad-1"]["state"] == "ready"


@pytest.mark.slow
def test_a_signal_reloads_and_systemd_is_told(window: WindowUnderTest) -> None:
    with NotifySocket(f"{window.folder}/notify") as systemd:
        pad(window)
        start(window, systemd.environment())
        assert window.process is not None
        window.device("gun-1", *GUN)
        window.write_config()
        window.process.send_signal(signal.SIGHUP)
        began, ended = systemd.wait("RELOADING"), systemd.wait("READY", count=2)
        assert int(began.lines["MONOTONIC_USEC"]) <= began.at * 1e6 <= ended.at * 1e6
        assert "of 2 devices ready" in ended.lines["STATUS"]
        window.wait_ready()
        assert set(window.states()) == {"pad-1", "gun-1"}
        window.config_path.write_text("nonsense")
        window.process.send_signal(signal.SIGHUP)
        assert "SYS-160" in systemd.wait("READY", count=3).lines["STATUS"]
        assert len(systemd.having("RELOADING")) == 2
        assert set(window.states().values()) == {"ready"}


def test_without_a_store_a_reload_waits_for_one(window: WindowUnderTest) -> None:
    pad(window)
    window.write_config()
    store = window.folder / "state" / "outbox.db"
    store.mkdir()
    window.start(ready=False)
    window.wait_state("pad-1", "attention")
    window.device("gun-1", *GUN)
    window.write_config()
    told = ask_by_command(window)
    assert (told.returncode, "SYS-164" in told.stderr) == (1, True)
    store.rmdir()
    wait_until(lambda: window.states() == {"pad-1": "ready", "gun-1": "ready"}, 15)


def test_a_caller_without_a_daemon_is_told(window: WindowUnderTest) -> None:
    told = ask_by_command(window)
    assert (told.returncode, "SYS-103" in told.stderr) == (3, True)


def test_a_device_that_is_switched_off_is_gone(window: WindowUnderTest) -> None:
    pad(window)
    window.device("gun-2", *GUN)
    window.start()
    change(window, "pad-1", 'driver = "pad_serial"', 'driver = "pad_serial"\nenabled = false')
    assert reload(window)["closed"] == ["pad-1"]
    topics = [f"{BASE}/device/pad-1/{name}" for name in ("status", "about")]
    wait_until(lambda: {topic for topic, body, _ in list(window.tap.messages) if not body} >= set(topics))
    change(window, "pad-1", "enabled = false", "enabled = true")
    assert reload(window)["opened"] == ["pad-1"]
    window.wait_state("pad-1", "ready")


def only_child(pid: int) -> int:
    """Return the driver's process; once, ctypes asks ``ldconfig`` for a library beside it."""

    def found() -> list[int] | None:
        now = children(pid)
        return now if len(now) == 1 else None

    return wait_until(found)[0]


@pytest.mark.slow
def test_a_driver_in_a_process_gets_a_new_one_and_leaves_none_behind(window: WindowUnderTest) -> None:
    window.device("card-1", "card_pcsc", "auto = false")
    pad(window)
    window.start()
    assert window.process is not None
    pid = window.process.pid
    first = only_child(pid)
    assert reload(window)["kept"] == ["card-1", "pad-1"]
    wait_until(lambda: children(pid) == [first])
    change(window, "card-1", "auto = false", "auto = true")
    assert reload(window)["reopened"] == ["card-1"]
    window.wait_ready()
    second = only_child(pid)
    assert second != first
    remove(window, "card-1")
    assert reload(window)["closed"] == ["card-1"]
    wait_until(lambda: not children(pid))
