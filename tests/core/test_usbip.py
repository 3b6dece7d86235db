"""USB/IP and descriptors from hosts that lie: never a crash, never much memory, always an error of ours."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import tracemalloc
from types import SimpleNamespace

import pytest
import usb.core  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import DeviceAbsent, DeviceBusy, DeviceError, DeviceProtocol
from edge.links import usb_descriptors as descriptors
from edge.links import usbip
from simulators.idcard_usb import LAYOUTS, PRODUCT, STRINGS, VENDOR
from simulators.usb_device import Identity
from tests.core.usb_rig import SDT_LINE, imported, liar, port, submitted

IDENTITY = Identity(VENDOR, PRODUCT, (*STRINGS, "1"), LAYOUTS["two-pair"]().endpoints)
DEVICE, CONFIGURATION = IDENTITY.device(), IDENTITY.configuration()
DESCRIBED = (imported(), submitted(1, DEVICE), submitted(2, CONFIGURATION[:9]), submitted(3, CONFIGURATION))
MEMORY_BYTES = 4 << 20
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers a lie twice: do not wait for it."""
    for limit in ("_CONTROL_S", "_UNLINK_S"):
        monkeypatch.setattr(usbip, limit, 0.05)


def refused(*said: bytes) -> DeviceError:
    """Return what opening a device behind such a host raises; memory stays small."""
    tracemalloc.start()
    try:
        with liar(*said) as address, pytest.raises(DeviceError) as caught:
            port(address).open(SDT_LINE)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()
    return caught.value


# --- the messages


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (imported(2), DeviceBusy),
        (imported(4), DeviceAbsent),
        (imported(1), DeviceAbsent),
        (imported(version=0x0106), DeviceProtocol),
        (imported(code=0x0005), DeviceProtocol),
    ],
)
def test_an_import_that_is_refused(answer: bytes, kind: type[DeviceError]) -> None:
    assert type(refused(answer)) is kind


@pytest.mark.parametrize(
    "lie",
    [
        submitted(99, DEVICE),  # another transfer's
        submitted(1, count=0xFFFFFFFF),  # 4 GiB are to come
        submitted(1, DEVICE, count=65536),
        submitted(1, DEVICE[:5]),
        submitted(1),
        submitted(1, status=-errno.EPIPE),
        submitted(1, status=12345),
        struct.pack(">IIIIIi24x", 4, 1, 0, 0, 0, 0),  # an unlink that nobody asked for
        b"\xff" * 48,
        b"\x00" * 7,
    ],
)
def test_a_lie_instead_of_the_device_descriptor(lie: bytes) -> None:
    assert isinstance(refused(imported(), lie), DeviceAbsent | DeviceProtocol)


@pytest.mark.parametrize("position", range(len(DESCRIBED)))
@given(noise=st.binary(min_size=1, max_size=200))
@quick
def test_noise_instead_of_a_message(position: int, noise: bytes) -> None:
    refused(*DESCRIBED[:position], noise)


@pytest.mark.parametrize("position", range(1, len(DESCRIBED)))
@given(at=st.integers(0, 200), value=st.integers(0, 255))
@quick
def test_one_wrong_byte(position: int, at: int, value: int) -> None:
    """Opening ends with an error of ours: the host says nothing more behind its descriptors."""
    said = bytearray(DESCRIBED[position])
    said[at % len(said)] = value
    refused(*DESCRIBED[:position], bytes(said))


def test_numbers_of_errors_are_those_of_libusb() -> None:
    wanted = {
        errno.ENODEV: (-4, errno.ENODEV),
        errno.ESHUTDOWN: (-4, errno.ENODEV),
        errno.EPIPE: (-9, errno.EPIPE),
        errno.EOVERFLOW: (-8, errno.EOVERFLOW),
        errno.EPROTO: (-1, errno.EIO),
        4711: (-1, errno.EIO),
        errno.ETIMEDOUT: (-7, errno.ETIMEDOUT),
    }
    for number, (code, told) in wanted.items():
        error = usbip.usb_error(number)
        assert (error.backend_error_code, error.errno) == (code, told)
        assert isinstance(error, usb.core.USBTimeoutError) == (number == errno.ETIMEDOUT)


def test_a_message_that_does_not_go_on_is_given_up() -> None:
    one, other = socket.socketpair()
    with contextlib.closing(one), contextlib.closing(other):
        other.send(b"12345")
        with pytest.raises(OSError, match="timed out"):
            usbip.receive(one, 48)


# --- descriptors


def test_descriptors_of_the_simulated_reader() -> None:
    fields = descriptors.device(DEVICE)
    assert (fields["idVendor"], fields["idProduct"], fields["bNumConfigurations"]) == (VENDOR, PRODUCT, 1)
    assert descriptors.total_size(CONFIGURATION[:9]) == len(CONFIGURATION)
    whole = descriptors.configuration(CONFIGURATION)
    ((setting,),) = whole.interfaces.values()
    assert [end.bEndpointAddress for end in setting.endpoints] == [0x02, 0x06, 0x81, 0x85]
    assert setting.bInterfaceClass == 0xFF


def test_what_is_between_known_descriptors_is_kept() -> None:
    extra = bytes((9, 0x21, 0x11, 0x01, 0, 1, 0x22, 52, 0))
    whole = descriptors.configuration(CONFIGURATION[:18] + extra + CONFIGURATION[18:])
    assert bytes(whole.interfaces[0][0].extra_descriptors) == extra
    assert len(whole.interfaces[0][0].endpoints) == 4


def _looked_at(data: bytes) -> SimpleNamespace | None:
    try:
        return descriptors.configuration(data)
    except descriptors.DescriptorError:
        return None


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_crash_the_reading_of_descriptors(data: bytes) -> None:
    _looked_at(data)
    _looked_at(b"\x09\x02" + data)
    for reading in (descriptors.device, descriptors.total_size):
        with contextlib.suppress(descriptors.DescriptorError):
            reading(data)


@given(st.lists(st.tuples(st.sampled_from((2, 4, 5, 0x21)), st.binary(min_size=0, max_size=12)), max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_descriptors_become_more_than_there_can_be(parts: list[tuple[int, bytes]]) -> None:
    data = CONFIGURATION[:9] + b"".join(bytes((len(body) + 2, kind)) + body for kind, body in parts)
    whole = _looked_at(data)
    if whole is not None:
        assert len(whole.interfaces) <= 32
        assert all(len(each.endpoints) <= 30 for settings_ in whole.interfaces.values() for each in settings_)


def test_a_descriptor_without_length_ends_the_reading() -> None:
    with pytest.raises(descriptors.DescriptorError):
        descriptors.configuration(CONFIGURATION + b"\x00\x00")
    with pytest.raises(descriptors.DescriptorError):
        descriptors.total_size(b"\x09\x02\xff\xff" + bytes(5))


def test_a_device_without_bulk_endpoints_is_another_device() -> None:
    bare = Identity(VENDOR, PRODUCT, (*STRINGS, "1"), ())
    said = [bare.configuration()[:9], bare.configuration()]
    error = refused(
        imported(),
        submitted(1, bare.device()),
        *(submitted(n, d) for n, d in enumerate(said, 2)),
        submitted(4, b"\x01"),
    )
    assert isinstance(error, DeviceProtocol)
    assert "bulk" in error.message
