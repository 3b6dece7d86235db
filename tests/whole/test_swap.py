"""Devices that were exchanged: they work, and a person is told."""

from __future__ import annotations

from tests.support.plugboard import PlugBoard, UsbDevice
from tests.support.plugging import device_of, replug, wait_code
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

SAM_IDS = ("05.03-20140124-0001234567-0012345678", "05.03-20150215-0007654321-0087654321")


class TwoReaders:
    """Two readers of one make at two ports. Neither has a USB serial number; the security modules in them have."""

    names = ("id-1", "id-2")
    ports = tuple(UsbDevice(port=f"1-1.{number}", tty=f"ttyUSB{number}") for number in (3, 4))

    def __init__(self, window: WindowUnderTest, board: PlugBoard) -> None:
        self._window, self._board = window, board
        self._paths = [window.bench.add(name, "idcard_sdt", sam_id=SAM_IDS[at]) for at, name in enumerate(self.names)]
        for name, port in zip(self.names, self.ports, strict=True):
            window.foreign(name, "idcard_sdt", f"serial:1a86:7523?port={port.port}")

    def plug(self, *order: int) -> None:
        """Plug the reader with this number into the first port, and so on."""
        for name, port, unit in zip(self.names, self.ports, order, strict=True):
            self._window.bench.do(f"{name} plug")
            self._board.plug(port, self._paths[unit])

    def pull(self) -> None:
        for name, port in zip(self.names, self.ports, strict=True):
            self._window.bench.do(f"{name} unplug")
            self._board.unplug(port)

    def pull_and_wait(self) -> None:
        self.pull()
        for name in self.names:
            self._window.wait_state(name, "absent")

    def wait_code(self, code: str | None) -> list[str | None]:
        return [wait_code(self._window, name, code).get("reason") for name in self.names]

    def wait_digests(self, expected: list[str] | None = None) -> list[str]:
        """Wait until both are told, as *expected* if that is given."""

        def told() -> list[str] | None:
            abouts = [self._window.tap.on(f"device/{name}/about")[-1:] for name in self.names]
            found = [body["serial_digest"] for about in abouts for body in about if "serial_digest" in body]
            return found if len(found) == len(self.names) and expected in (None, found) else None

        return wait_until(told, 10, "both digests are told")


def test_two_identical_devices_are_told_apart_by_port_and_a_swap_is_reported(
    window: WindowUnderTest, plugboard: PlugBoard
) -> None:
    readers = TwoReaders(window, plugboard)
    readers.plug(0, 1)
    window.start()
    before = readers.wait_digests()
    readers.pull_and_wait()
    readers.plug(1, 0)
    assert readers.wait_code("SYS-131") == [
        "the device of id-2 is plugged in here",
        "the device of id-1 is plugged in here",
    ]
    readers.wait_digests(before[::-1])
    assert window.log_text.count("SYS-131") == 2
    window.bench.do("id-1 insert resident seed=1")  # it now lies behind the address of id-2
    (presented,) = window.tap.wait_events("presented")
    assert device_of(presented) == "id-2"
    window.bench.do("id-1 remove")
    readers.pull_and_wait()
    readers.plug(0, 1)
    readers.wait_code(None)


def test_a_swap_while_the_daemon_is_off_is_reported_too(window: WindowUnderTest, plugboard: PlugBoard) -> None:
    readers = TwoReaders(window, plugboard)
    readers.plug(0, 1)
    window.start()
    assert window.stop() == 0
    readers.pull()
    readers.plug(1, 0)
    window.start()
    readers.wait_code("SYS-131")
    assert window.stop() == 0
    window.start()
    readers.wait_code(None)  # whoever starts it again has seen it
    assert window.log_text.count("SYS-131") == 2
    kept = (window.folder / "state/units.json").read_bytes()
    assert not any(sam.encode() in kept for sam in SAM_IDS)


def test_another_unit_at_a_port_is_told_by_its_usb_serial_number(window: WindowUnderTest, plugboard: PlugBoard) -> None:
    path = window.bench.add("gun-1", "code_serial")
    window.foreign("gun-1", "code_serial", "serial:///dev/serial/by-path/usb-1-1.4-port0", 'content = "public"')
    old, new = (UsbDevice(serial=serial) for serial in ("OLD1", "NEW2"))
    plugboard.plug(old, path, by_path=True)
    window.start()
    wait_until((window.folder / "state/units.json").exists, what="the first unit is known")
    replug(window, plugboard, "gun-1", path, old, new, by_path=True)
    assert wait_code(window, "gun-1", "SYS-131")["reason"] == "another device than before is plugged in here"
    replug(window, plugboard, "gun-1", path, new, old, by_path=True)
    wait_code(window, "gun-1", None)
    assert "OLD1" not in window.log_text
