"""The binary interface of libsane, from the public SANE standard 1.06: constants, structs, prototypes. No calls."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, Union, c_char_p, c_int, c_void_p
from enum import IntEnum, IntFlag

SANE_MAJOR = 1
FIXED_ONE = 1 << 16


class Status(IntEnum):
    """``SANE_Status``; the last two stand in newer headers only."""

    GOOD = 0
    UNSUPPORTED = 1
    CANCELLED = 2
    DEVICE_BUSY = 3
    INVAL = 4
    EOF = 5
    JAMMED = 6
    NO_DOCS = 7
    COVER_OPEN = 8
    IO_ERROR = 9
    NO_MEM = 10
    ACCESS_DENIED = 11
    WARMING_UP = 12
    HW_LOCKED = 13


class ValueType(IntEnum):
    BOOL = 0
    INT = 1
    FIXED = 2
    STRING = 3
    BUTTON = 4
    GROUP = 5


class Unit(IntEnum):
    NONE = 0
    PIXEL = 1
    BIT = 2
    MM = 3
    DPI = 4
    PERCENT = 5
    MICROSECOND = 6


class ConstraintType(IntEnum):
    NONE = 0
    RANGE = 1
    WORD_LIST = 2
    STRING_LIST = 3


class Capability(IntFlag):
    SOFT_SELECT = 1
    HARD_SELECT = 2
    SOFT_DETECT = 4
    EMULATED = 8
    AUTOMATIC = 16
    INACTIVE = 32
    ADVANCED = 64


class Action(IntEnum):
    GET = 0
    SET = 1


class Info(IntFlag):
    INEXACT = 1
    RELOAD_OPTIONS = 2
    RELOAD_PARAMETERS = 4


class Frame(IntEnum):
    GRAY = 0
    RGB = 1
    RED = 2
    GREEN = 3
    BLUE = 4


class SaneDevice(Structure):
    _fields_ = (("name", c_char_p), ("vendor", c_char_p), ("model", c_char_p), ("type", c_char_p))


class SaneRange(Structure):
    _fields_ = (("min", c_int), ("max", c_int), ("quant", c_int))


class SaneConstraint(Union):
    _fields_ = (
        ("string_list", POINTER(c_char_p)),
        ("word_list", POINTER(c_int)),
        ("range", POINTER(SaneRange)),
    )


class SaneOption(Structure):
    _fields_ = (
        ("name", c_char_p),
        ("title", c_char_p),
        ("desc", c_char_p),
        ("type", c_int),
        ("unit", c_int),
        ("size", c_int),
        ("cap", c_int),
        ("constraint_type", c_int),
        ("constraint", SaneConstraint),
    )


class SaneParameters(Structure):
    _fields_ = (
        ("format", c_int),
        ("last_frame", c_int),
        ("bytes_per_line", c_int),
        ("pixels_per_line", c_int),
        ("lines", c_int),
        ("depth", c_int),
    )


PROTOTYPES: tuple[tuple[str, object, tuple[object, ...]], ...] = (
    ("sane_init", c_int, (POINTER(c_int), c_void_p)),
    ("sane_exit", None, ()),
    ("sane_get_devices", c_int, (POINTER(POINTER(POINTER(SaneDevice))), c_int)),
    ("sane_open", c_int, (c_char_p, POINTER(c_void_p))),
    ("sane_close", None, (c_void_p,)),
    ("sane_get_option_descriptor", POINTER(SaneOption), (c_void_p, c_int)),
    ("sane_control_option", c_int, (c_void_p, c_int, c_int, c_void_p, POINTER(c_int))),
    ("sane_start", c_int, (c_void_p,)),
    ("sane_get_parameters", c_int, (c_void_p, POINTER(SaneParameters))),
    ("sane_read", c_int, (c_void_p, c_void_p, c_int, POINTER(c_int))),
    ("sane_cancel", None, (c_void_p,)),
)


def load(name: str = "libsane.so.1") -> ctypes.CDLL:
    """Load the library with its prototypes; raises ``OSError`` when it is not installed."""
    library = ctypes.CDLL(name)
    for function, result, arguments in PROTOTYPES:
        entry = getattr(library, function, None)
        if entry is None:
            raise OSError(f"{name} has no {function}")
        entry.restype, entry.argtypes = result, arguments
    return library
