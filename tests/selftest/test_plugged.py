"""What is plugged in and configured nowhere is named, and so is what stands at another place than it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.device_state import DeviceState
from edge.messages import remedy, sentence
from edge.plugging.plugged import Plugged
from edge.selftest.checks.plugged import look_at_plugged
from edge.selftest.model import Check
from tests.selftest.rig import scene_of, write

READER = Plugged("usb", "/dev/bus/usb/001/007", (), 0x0400, 0xC35A, port="1-1.3", maker="Synjones", product="reader")
CABLE = Plugged(
    "tty", "/dev/ttyUSB0", ("/dev/serial/by-id/x",), 0x1A86, 0x7523, port="1-1.4", maker="QinHeng", product="CH340"
)
MOUSE = Plugged(
    "usb", "/dev/bus/usb/001/009", (), 0x046D, 0xC077, port="1-1.9", product="mouse", interfaces=((3, 1, 2),)
)


def device(name: str, driver: str, address: str, more: str = "") -> str:
    return f'[[device]]\nname = "{name}"\ndriver = "{driver}"\naddress = "{address}"\n{more}\n'


async def checks(folder: Path, around: Sequence[Plugged], *devices: str, absent: Sequence[str] = ()) -> list[Check]:
    """Return what is said of *around* in a window with *devices*, of which some are *absent*."""

    async with scene_of(write(folder, "\n".join(devices))) as scene:
        scene.devices.plugged = lambda: around
        plan = scene.devices.plan(scene.config.devices)
        scene.devices._running = dict(plan.fresh)  # noqa: SLF001  # there, and not started
        for name, supervisor in scene.devices.items():
            state = "absent" if name in absent else "ready"
            supervisor.current = DeviceState(state, 0.0)  # type: ignore[arg-type]
        return [check async for check in look_at_plugged(scene)]


async def test_when_all_is_configured_nothing_is_missed(tmp_path: Path) -> None:
    (check,) = await checks(tmp_path, [READER, MOUSE], device("id-1", "idcard_sdt", "usb:0400:c35a"))
    assert (check.part, check.name, check.code, check.result) == ("config", "plugged", "DEV-132", "ok")


async def test_what_nobody_configured_is_named(tmp_path: Path) -> None:
    (check,) = await checks(tmp_path, [READER, MOUSE])
    assert (check.code, check.result) == ("DEV-130", "warn")
    assert check.seen == "Synjones reader (USB 1-1.3) plugged in and not configured"
    assert sentence(check.code, check.seen, "zh") == "已插入但没有配置：Synjones reader (USB 1-1.3)"


async def test_what_may_be_anything_is_no_warning(tmp_path: Path) -> None:
    (check,) = await checks(tmp_path, [CABLE])
    assert (check.code, check.result) == ("DEV-130", "skip")


async def test_a_device_at_another_port_is_told_with_its_name(tmp_path: Path) -> None:
    lines = device("id-1", "idcard_sdt", "usb:0400:c35a?port=1-1.4")
    (check,) = await checks(tmp_path, [READER], lines, absent=["id-1"])
    assert (check.code, check.result) == ("DEV-131", "warn")
    assert "id-1" in check.seen
    assert "(USB 1-1.3)" in check.seen
    assert "插回 id-1 原来的口" in remedy(check.code, check.action, "zh")


async def test_of_several_that_are_missing_none_is_guessed(tmp_path: Path) -> None:
    lines = [
        device("id-1", "idcard_sdt", "serial:///dev/hall-edge/id"),
        device("id-2", "idcard_sdt", "serial:///dev/hall-edge/id2"),
    ]
    (check,) = await checks(tmp_path, [CABLE], *lines, absent=["id-1", "id-2"])
    assert check.code == "DEV-130"


async def test_what_may_be_a_device_at_an_address_without_a_port_is_left_out(tmp_path: Path) -> None:
    ccid = replace(READER, vendor_id=0x072F, product_id=0x90CC, interfaces=((0x0B, 0, 0),))
    (check,) = await checks(tmp_path, [ccid], device("card-1", "card_pcsc", "pcsc:"))
    assert check.code == "DEV-132"
