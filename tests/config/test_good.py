"""Configurations that are right."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import config
from edge.config import Config
from edge.config.rules import is_loopback, parse_broker
from edge.errors import ConfigError
from tests.config.conftest import GOOD, Write
from tests.config.sample_drivers.card import CardDriver, CardSettings
from tests.config.sample_drivers.pad import PadSettings

Load = Callable[[str | bytes], Config]

SMALL = """\
[window]
hall = "h"
window = "w"
[mqtt]
url = "mqtt://localhost"
"""
PERSONAL = """
[[device]]
name = "id-1"
driver = "card"
address = "serial:///dev/pts/3"
read = "full"
purpose = "test"
"""


def test_a_whole_file(load: Load, folder: Path) -> None:
    found = load(GOOD)
    assert found.window == config.Window(hall="songjiang-district", window="w03")
    assert found.mqtt.broker() == ("broker.hall.example", 8883, True)
    assert (found.mqtt.keepalive_s, found.mqtt.window) == (5, 200)
    assert found.mqtt.key == f"{folder}/window.key"
    assert found.subscribers == (config.Subscriber(name="case-system", key=f"{folder}/case.jwk"),)
    card, pad = found.devices
    assert (card.name, card.driver, card.driver_type.__name__) == ("id-1", "card", CardDriver.__name__)
    assert card.address.options == {"baud": "115200"}
    assert isinstance(card.settings, CardSettings)
    assert card.settings.fields == ("name", "number")
    assert (card.personal, card.mode, card.enabled) == (True, "live", True)
    assert (pad.settings, pad.personal, pad.address.target) == (PadSettings(), False, "127.0.0.1:4001")
    assert found.warnings == ()


def test_the_disk_of_blobs_can_be_bounded(load: Load) -> None:
    assert load(SMALL + "[blobs]\nmax_mb = 100\nreserve_mb = 0\n").blobs == config.Blobs(max_mb=100, reserve_mb=0)


def test_the_page_can_be_moved_and_switched_off(load: Load) -> None:
    assert load(SMALL).page == config.Page(enabled=True, port=8630)
    assert load(SMALL + "[page]\nport = 9000\nenabled = false\n").page == config.Page(enabled=False, port=9000)
    with pytest.raises(ConfigError, match="between 1024 and 65535"):
        load(SMALL + "[page]\nport = 80\n")


def test_the_smallest_file(load: Load) -> None:
    found = load(SMALL)
    assert found.paths == config.Paths(state="/var/lib/hall-edge", run="/run/hall-edge")
    assert (found.log.level, found.log.format) == ("info", "text")
    assert found.blobs == config.Blobs(max_mb=2048, reserve_mb=512)
    assert (found.devices, found.subscribers) == ((), ())


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("[window]", "\ufeff[window]"), ("[log]", "[log] # 日志")])
def test_what_windows_editors_do(load: Load, change: tuple[str, str]) -> None:
    assert load(GOOD.replace(*change)).window.window == "w03"


def test_paths_come_from_systemd_unless_they_are_given(write: Write) -> None:
    systemd = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "RUNTIME_DIRECTORY": "/run/a"}
    assert config.load(write(SMALL), systemd).paths == config.Paths(state="/var/lib/a", run="/run/a")
    given = SMALL + '[paths]\nstate = "/srv/x"\n'
    assert config.load(write(given), systemd).paths == config.Paths(state="/srv/x", run="/run/a")


def test_a_key_may_be_a_systemd_credential(load: Load, folder: Path) -> None:
    found = load(GOOD.replace("@/window.key", "credential:window-key"))
    assert found.mqtt.key == f"{folder}/credentials/window-key"


def test_every_sort_of_setting(load: Load) -> None:
    settings = """\
    lamp = { colour = "red", blink_s = 1 }
    lamps = [ { colour = "green" }, { colour = "red" } ]
    levels = { good = 5, bad = 1 }
    pair = [1, "x"]
    size = 3
    opens = 08:30:00
    """
    device = load(GOOD.replace("purpose =", settings + "purpose =")).devices[0]
    assert isinstance(device.settings, CardSettings)
    assert device.settings.lamps[1].colour == "red"
    assert device.settings.levels == {"good": 5, "bad": 1}
    assert device.settings.pair == (1, "x")


@pytest.mark.parametrize("url", ["mqtt://localhost", "mqtt://127.3.2.1:1884", "mqtt://[::1]", "mqtts://a.example"])
def test_personal_data_may_go_to_this_pc_or_through_tls(load: Load, url: str) -> None:
    text = SMALL.replace("mqtt://localhost", url) + PERSONAL + '[[subscriber]]\nname = "s"\nkey = "@/no-use.jwk"\n'
    assert load(text).devices[0].personal


def test_lab_mode_needs_neither_key_nor_tls(load: Load) -> None:
    lab = SMALL.replace('window = "w"', 'window = "w"\nlab = true').replace("localhost", "10.1.2.3") + PERSONAL
    assert load(lab).devices[0].personal
    both = load(lab + '[[subscriber]]\nname = "s"\nkey = "@/case.jwk"\n')
    assert both.subscribers[0].key is not None


def test_a_disabled_device_needs_no_key_and_leaves_its_port_to_another(load: Load) -> None:
    spare = PERSONAL + "enabled = false\n"
    other = '[[device]]\nname = "pad-1"\ndriver = "pad"\naddress = "serial:///dev/pts/3?baud=9600"\n'
    found = load(SMALL + spare + other)
    assert [(device.enabled, device.personal) for device in found.devices] == [(False, False), (True, False)]


def test_two_identical_devices_are_told_apart_by_port_or_serial_number(load: Load) -> None:
    table = '[[device]]\nname = "pad-{0}"\ndriver = "pad"\naddress = "serial:1a86:7523?{1}"\n'
    both = SMALL + table.format(1, "baud=9600&port=1-1.3") + table.format(2, "port=1-1.4&baud=9600")
    assert [device.address.options["port"] for device in load(both).devices] == ["1-1.3", "1-1.4"]
    with pytest.raises(ConfigError) as refused:
        load(both.replace("port=1-1.4&baud=9600", "baud=19200&port=1-1.3"))
    assert [problem.code for problem in refused.value.problems] == ["CFG-134"]


def test_warnings_do_not_stop(load: Load) -> None:
    login = 'url = "mqtt://10.1.2.3"\nusername = "w03"\npassword_file = "@/password"'
    found = load(SMALL.replace('url = "mqtt://localhost"', login))
    assert [(warning.code, warning.line) for warning in found.warnings] == [("CFG-145", 5)]
    lab = SMALL.replace('window = "w"', 'window = "w"\nlab = true')
    found = load(
        lab.replace('url = "mqtt://localhost"', 'url = "mqtt://localhost"\nusername="w"\npassword_file="@/open.key"')
    )
    assert [(warning.code, warning.line) for warning in found.warnings] == [("CFG-151", 8)]


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtts://a", ("a", 8883, True)),
        ("mqtt://a.b-c.example/", ("a.b-c.example", 1883, False)),
        ("mqtts://[fd00::1]:443", ("fd00::1", 443, True)),
    ],
)
def test_broker_urls(url: str, broker: tuple[str, int, bool]) -> None:
    assert parse_broker(url) == broker


def test_loopback_is_an_address_and_not_a_name_that_looks_like_one() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.200.0.9", "::1", "0:0:0:0:0:0:0:1", "localhost", "LOCALHOST"]))
    assert not any(map(is_loopback, ["127.0.0.1.example", "128.0.0.1", "::2", "localhost.example", "127.1"]))


def test_64_devices_and_no_more(load: Load) -> None:
    device = '[[device]]\nname = "pad-{0}"\ndriver = "pad"\naddress = "tcp://10.0.0.1:{0}"\n'
    text = SMALL + "".join(device.format(number) for number in range(1, 65))
    assert len(load(text).devices) == 64


def test_loading_is_quick(load: Load) -> None:
    load(GOOD)
    start = time.process_time()
    for _ in range(20):
        load(GOOD)
    assert (time.process_time() - start) / 20 < 0.02


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ["asyncio", "difflib", "importlib.metadata", "joserfc", "paho", "serial", "ssl", "drivers"]
    program = f"import sys, edge.config; print(*[name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
