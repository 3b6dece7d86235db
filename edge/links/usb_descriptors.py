"""Read USB descriptors (USB 2.0, chapter 9) into the attributes that pyusb expects. A device can say what it likes."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

DEVICE, CONFIGURATION, _INTERFACE, _ENDPOINT = 1, 2, 4, 5
DEVICE_SIZE, CONFIGURATION_SIZE, _INTERFACE_SIZE, _ENDPOINT_SIZE = 18, 9, 9, 7
_LONGEST = 4096
_MOST_INTERFACES = 32
_MOST_ENDPOINTS = 30

_DEVICE_NAMES = (
    "bLength", "bDescriptorType", "bcdUSB", "bDeviceClass", "bDeviceSubClass", "bDeviceProtocol", "bMaxPacketSize0",
    "idVendor", "idProduct", "bcdDevice", "iManufacturer", "iProduct", "iSerialNumber", "bNumConfigurations",
)  # fmt: skip
_CONFIGURATION_NAMES = (
    "bLength", "bDescriptorType", "wTotalLength", "bNumInterfaces", "bConfigurationValue", "iConfiguration",
    "bmAttributes", "bMaxPower",
)  # fmt: skip
_INTERFACE_NAMES = (
    "bLength", "bDescriptorType", "bInterfaceNumber", "bAlternateSetting", "bNumEndpoints", "bInterfaceClass",
    "bInterfaceSubClass", "bInterfaceProtocol", "iInterface",
)  # fmt: skip
_ENDPOINT_NAMES = (
    "bLength", "bDescriptorType", "bEndpointAddress", "bmAttributes", "wMaxPacketSize", "bInterval",
)  # fmt: skip


class DescriptorError(Exception):
    """A descriptor cannot be what it says."""


def device(data: bytes) -> dict[str, Any]:
    """Return the fields of a device descriptor. Only one configuration is looked at."""
    if len(data) < DEVICE_SIZE or data[1] != DEVICE:
        raise DescriptorError("no device descriptor")
    fields = dict(zip(_DEVICE_NAMES, struct.unpack("<BBHBBBBHHHBBBB", data[:DEVICE_SIZE]), strict=True))
    return fields | {"bNumConfigurations": min(1, fields["bNumConfigurations"])}


def total_size(data: bytes) -> int:
    """Return the size of the whole configuration, of which *data* is the beginning."""
    if len(data) < CONFIGURATION_SIZE or data[1] != CONFIGURATION:
        raise DescriptorError("no configuration descriptor")
    size = int.from_bytes(data[2:4], "little")
    if not CONFIGURATION_SIZE <= size <= _LONGEST:
        raise DescriptorError(f"a configuration of {size} bytes")
    return size


def configuration(data: bytes) -> SimpleNamespace:
    """Return a configuration: ``interfaces`` are its interfaces' settings by number, each with its ``endpoints``."""
    total_size(data)
    whole = _fields(_CONFIGURATION_NAMES, "<BBHBBBBB", data)
    whole.interfaces = {}
    last: SimpleNamespace = whole
    setting: SimpleNamespace | None = None
    at = 0
    while at < len(data):
        one = data[at : at + data[at]]
        if len(one) < max(2, data[at]):
            raise DescriptorError("a descriptor that is cut off")
        at += len(one)
        if one[1] == _INTERFACE:
            last = setting = _interface(one, whole)
        elif one[1] == _ENDPOINT and setting is not None:
            last = _endpoint(one, setting)
        elif one[1] != CONFIGURATION:
            last.extra_descriptors += list(one)
    for settings in whole.interfaces.values():
        for each in settings:
            each.bNumEndpoints = len(each.endpoints)
    whole.bNumInterfaces = len(whole.interfaces)
    return whole


def _interface(data: bytes, whole: SimpleNamespace) -> SimpleNamespace:
    setting = _fields(_INTERFACE_NAMES, "<BBBBBBBBB", data)
    setting.endpoints = []
    settings = whole.interfaces.setdefault(setting.bInterfaceNumber, [])
    if len(whole.interfaces) > _MOST_INTERFACES or len(settings) >= _MOST_INTERFACES:
        raise DescriptorError("too many interfaces")
    settings.append(setting)
    return setting


def _endpoint(data: bytes, setting: SimpleNamespace) -> SimpleNamespace:
    endpoint = _fields(_ENDPOINT_NAMES, "<BBBBHB", data)
    endpoint.bRefresh = endpoint.bSynchAddress = 0
    if len(setting.endpoints) >= _MOST_ENDPOINTS:
        raise DescriptorError("too many endpoints")
    setting.endpoints.append(endpoint)
    return endpoint


def _fields(names: tuple[str, ...], layout: str, data: bytes) -> SimpleNamespace:
    size = struct.calcsize(layout)
    if len(data) < size:
        raise DescriptorError("a descriptor that is too short")
    return SimpleNamespace(**dict(zip(names, struct.unpack(layout, data[:size]), strict=True)), extra_descriptors=[])
