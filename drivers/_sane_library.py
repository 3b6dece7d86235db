"""libsane for Python: devices, options, frames. One thread; every foreign pointer and number is checked here.

Errors of the library are :class:`SaneError`, with the status; ``_sane_status`` says what follows from them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_char, c_int, c_void_p
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeVar

from drivers import _sane_abi as abi
from drivers._sane_abi import Capability, ConstraintType, Info, Status, Unit, ValueType

Value = bool | int | float | str
E = TypeVar("E", bound=IntEnum)
_WORD_BYTES = 4
_MAX_OPTIONS = 1024
_MAX_LIST = 4096
_MAX_TEXT_BYTES = 65_536
_MAX_DEVICES = 256


class SaneError(Exception):
    """The library refused: ``status`` says why, ``call`` where."""

    def __init__(self, call: str, status: int) -> None:
        known = _member(Status, status)
        super().__init__(f"{call}: {known.name if known else f'status {status}'}")
        self.call = call
        self.status = status


@dataclass(frozen=True)
class Found:
    """A device in the library's list."""

    name: str
    vendor: str
    model: str
    type: str


@dataclass(frozen=True)
class Range:
    """What a number may be; ``step`` 0: anything between. In the option's own unit."""

    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Option:
    """An option as it is now; ``choices`` are its only values, if it has such."""

    index: int
    name: str
    type: ValueType
    unit: Unit | None
    size: int
    settable: bool
    active: bool
    range: Range | None
    choices: tuple[Value, ...]


class Sane:
    """The library, initialised as long as somebody uses it: ``sane_init`` and ``sane_exit`` are for a whole process."""

    _users: ClassVar[int] = 0

    def __init__(self) -> None:
        """Load and initialise; raises ``OSError`` (not installed) or :class:`SaneError`."""
        self.library = abi.load()
        if not Sane._users:
            version = c_int()
            _check("sane_init", self.library.sane_init(byref(version), None))
            if version.value >> 24 != abi.SANE_MAJOR:
                self.library.sane_exit()
                raise SaneError("sane_init", Status.UNSUPPORTED)
        Sane._users += 1
        self._open = True

    def close(self) -> None:
        """Stop using the library; its handles must be closed before. Idempotent."""
        if self._open:
            self._open = False
            Sane._users -= 1
            if not Sane._users:
                self.library.sane_exit()

    def devices(self, *, local_only: bool = False) -> list[Found]:
        """Return the list of devices; slow (every configured backend looks on its buses and networks)."""
        listed = ctypes.POINTER(ctypes.POINTER(abi.SaneDevice))()
        _check("sane_get_devices", self.library.sane_get_devices(byref(listed), int(local_only)))
        found: list[Found] = []
        while listed and len(found) < _MAX_DEVICES and listed[len(found)]:  # type: ignore[truthy-bool]  # NULL is false
            one = listed[len(found)].contents
            found.append(Found(_text(one.name), _text(one.vendor), _text(one.model), _text(one.type)))
        return [one for one in found if one.name]

    def open(self, name: str) -> Handle:
        """Open the device *name*; raises :class:`SaneError`."""
        pointer = c_void_p()
        _check("sane_open", self.library.sane_open(name.encode(), byref(pointer)))
        if not pointer.value:
            raise SaneError("sane_open", Status.INVAL)
        return Handle(self.library, pointer)


class Handle:
    """An open device."""

    def __init__(self, library: ctypes.CDLL, pointer: c_void_p) -> None:
        self._library = library
        self._pointer: c_void_p | None = pointer
        self._options: dict[str, Option] | None = None
        self._busy = False

    @property
    def options(self) -> dict[str, Option]:
        """The options by name, as they are after what was set last."""
        if self._options is None:
            known = (self._option(index) for index in range(1, self.ask()))
            self._options = {option.name: option for option in known if option is not None}
        return self._options

    def ask(self) -> int:
        """Return how many options there are: the one question that every device answers at any time."""
        self._library.sane_get_option_descriptor(self._live(), 0)  # net refuses every question before, after a change
        count = c_int()
        self._control(0, abi.Action.GET, byref(count))
        return max(0, min(count.value, _MAX_OPTIONS))

    def get(self, option: Option) -> Value | None:
        """Return the option's value; ``None``: it has none that could be read."""
        if not option.active or option.type in (ValueType.BUTTON, ValueType.GROUP):
            return None
        if option.type is ValueType.STRING:
            text = ctypes.create_string_buffer(option.size + 1)
            self._control(option.index, abi.Action.GET, text)
            return text.value.decode("utf-8", "replace")
        if option.size != _WORD_BYTES:
            return None
        word = c_int()
        self._control(option.index, abi.Action.GET, byref(word))
        return _from_word(option.type, word.value)

    def set(self, option: Option, value: Value) -> None:
        """Set the option, which the device may round; raises ``ValueError`` when *value* is of another type."""
        info = c_int()
        self._control(option.index, abi.Action.SET, _buffer(option, value), info)
        if info.value & Info.RELOAD_OPTIONS:
            self._options = None

    def start(self) -> None:
        """Begin the next frame; may take as long as a lamp needs to warm up."""
        self._busy = True
        _check("sane_start", self._library.sane_start(self._live()))

    def parameters(self) -> abi.SaneParameters:
        """Return what the frame is like."""
        found = abi.SaneParameters()
        _check("sane_get_parameters", self._library.sane_get_parameters(self._live(), byref(found)))
        return found

    def read(self, buffer: ctypes.Array[c_char]) -> int:
        """Read what is there into *buffer* and return how much; -1 at the end of the frame."""
        length = c_int()
        status = self._library.sane_read(self._live(), buffer, len(buffer), byref(length))
        if status == Status.EOF:
            return -1
        _check("sane_read", status)
        return max(0, min(length.value, len(buffer)))

    def cancel(self) -> None:
        """End the job, if one was started."""
        if self._busy and self._pointer is not None:
            self._busy = False
            self._library.sane_cancel(self._pointer)

    def close(self) -> None:
        """End the job and close the device. Idempotent."""
        self.cancel()
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._library.sane_close(pointer)

    def _live(self) -> c_void_p:
        if self._pointer is None:
            raise SaneError("closed handle", Status.INVAL)
        return self._pointer

    def _control(self, index: int, action: abi.Action, value: object, info: c_int | None = None) -> None:
        told = c_int() if info is None else info
        status = self._library.sane_control_option(self._live(), index, int(action), value, byref(told))
        _check("sane_control_option", status)

    def _option(self, index: int) -> Option | None:
        """Return option *index*; ``None`` for groups, options without a name and types that no standard knows."""
        pointer = self._library.sane_get_option_descriptor(self._live(), index)
        if not pointer:
            return None
        raw: abi.SaneOption = pointer.contents
        name, kind, cap = _text(raw.name), _member(ValueType, raw.type), Capability(raw.cap)
        if not name or kind in (None, ValueType.GROUP) or not 0 <= raw.size <= _MAX_TEXT_BYTES:
            return None
        return Option(
            index=index,
            name=name,
            type=kind,
            unit=_member(Unit, raw.unit),
            size=raw.size,
            settable=bool(cap & Capability.SOFT_SELECT) and not cap & Capability.INACTIVE,
            active=bool(cap & Capability.SOFT_DETECT) and not cap & Capability.INACTIVE,
            range=_range(raw, kind),
            choices=_choices(raw, kind),
        )


def _check(call: str, status: int) -> None:
    if status != Status.GOOD:
        raise SaneError(call, status)


def _member(kind: type[E], value: int) -> E | None:
    return next((one for one in kind if one == value), None)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _from_word(kind: ValueType, word: int) -> bool | int | float:
    if kind is ValueType.FIXED:
        return word / abi.FIXED_ONE
    return bool(word) if kind is ValueType.BOOL else word


def _range(raw: abi.SaneOption, kind: ValueType) -> Range | None:
    if raw.constraint_type != ConstraintType.RANGE or not raw.constraint.range:
        return None
    limits: abi.SaneRange = raw.constraint.range.contents
    return Range(*(float(_from_word(kind, word)) for word in (limits.min, limits.max, limits.quant)))


def _choices(raw: abi.SaneOption, kind: ValueType) -> tuple[Value, ...]:
    if raw.constraint_type == ConstraintType.WORD_LIST and raw.constraint.word_list:
        words = raw.constraint.word_list
        return tuple(_from_word(kind, words[at]) for at in range(1, 1 + max(0, min(words[0], _MAX_LIST))))
    texts: list[str] = []
    if raw.constraint_type == ConstraintType.STRING_LIST and raw.constraint.string_list:
        listed = raw.constraint.string_list
        while len(texts) < _MAX_LIST and listed[len(texts)] is not None:
            texts.append(_text(listed[len(texts)]))
    return tuple(texts)


def _word(kind: ValueType, value: Value) -> int:
    if isinstance(value, str) or (kind is ValueType.BOOL) != isinstance(value, bool):
        raise ValueError("a value of another type than the option's")
    if kind is ValueType.INT and value != int(value):
        raise ValueError("a whole number is wanted")
    word = round(value * abi.FIXED_ONE) if kind is ValueType.FIXED else int(value)
    if not -(2**31) <= word < 2**31:
        raise ValueError("a number beyond all bounds")
    return word


def _text_buffer(option: Option, value: Value) -> object:
    if not isinstance(value, str) or len(encoded := value.encode()) > _MAX_TEXT_BYTES:
        raise ValueError("a text is wanted")
    return ctypes.create_string_buffer(encoded, max(option.size, len(encoded)) + 1)


def _buffer(option: Option, value: Value) -> object:
    """Return what ``sane_control_option`` is to be given for *value*."""
    makers: dict[ValueType, Callable[[], object]] = {
        ValueType.STRING: lambda: _text_buffer(option, value),
        ValueType.BUTTON: c_int,
    }
    if option.type in makers:
        return makers[option.type]()
    if option.size != _WORD_BYTES or option.type is ValueType.GROUP:
        raise ValueError("an option that takes no single value")
    return byref(c_int(_word(option.type, value)))
