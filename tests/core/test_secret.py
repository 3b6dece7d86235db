"""Personal values show themselves nowhere by accident, and none of the vocabulary's is forgotten."""

from __future__ import annotations

import datetime as dt
import json
import logging
import pprint
import traceback
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import logs
from edge.envelope import BadPayload, Draft, EnvelopeRenderer
from edge.events import COMMANDS, EVENTS, CardHolder, Coded, Params, Payload, Personal, Scanned, revealed
from edge.lanes import channel
from edge.secret import MASK, Secret, SecretBytes, as_secret, reveal
from tests.core.samples import SAMPLES
from tests.support import canaries

TEXT = st.text(min_size=2, max_size=40).filter(lambda text: text.strip() and text not in MASK)
CANARY = "张三三13800138000"

# --- values --------------------------------------------------------------------------------------


def told(value: object) -> Iterator[str]:
    """Yield what people write by accident."""
    yield f"{value} {value!r} {value!s} {value:>20}"
    yield "%s %r" % (value, value)  # noqa: UP031
    yield "{} {!r}".format(value, value)  # noqa: UP032
    yield f"{[value]} {(value,)} {{'x': value}} {ValueError(value)} {ValueError(value)!r} {KeyError(value)}"
    yield pprint.pformat({"x": [value]})
    yield ascii(value)
    yield str(logs.shown(value))
    parsers: list[Callable[[Any], object]] = [int, float, dt.date.fromisoformat] if isinstance(value, str) else []
    for parse in parsers:  # of bytes int() copies before it complains; nobody logs a foreign error's text
        try:
            parse(value)
        except (ValueError, TypeError) as error:
            yield "".join(traceback.format_exception(error))


@given(TEXT)
def test_a_text_shows_itself_nowhere(text: str) -> None:
    marked = Secret(f"\u2603{text}\u2603")  # a mark that no message has by itself
    assert not [line for line in told(marked) if "\u2603" in line or "2603" in line]
    assert not [line for line in told(as_secret(marked.encode())) if "\\xe2\\x98\\x83" in line or "\u2603" in line]


@given(TEXT)
def test_what_is_meant_is_had(text: str) -> None:
    secret = Secret(text)
    assert (secret, hash(secret), len(secret)) == (text, hash(text), len(text))
    assert type(secret.reveal()) is str
    assert secret.reveal() == text
    assert bytes(secret.encode()) == text.encode("utf-8")
    assert type(as_secret(b"ab").reveal()) is bytes
    assert json.loads(json.dumps({"x": secret})) == {"x": text}  # standing in a payload is what it is for


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a part": lambda text: text[1:],
    "one": lambda text: text[0],
    "more": lambda text: text + text[:1],
    "before": lambda text: (b"x" if isinstance(text, bytes) else "x") + text,
    "twice": lambda text: text * 2,
    "stripped": lambda text: text.strip(),
    "upper": lambda text: text.upper(),
    "replaced": lambda text: text.replace(text[:1], text[1:2]),
    "split": lambda text: text.split()[0],
    "parted": lambda text: text.partition(text[1:2])[0],
    "filled": lambda text: text.zfill(30),
    "there and back": lambda text: text.encode().decode() if isinstance(text, str) else text.decode("latin-1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("kind", [str, bytes])
def test_what_is_made_of_a_secret_is_one(change: Callable[[Any], Any], kind: type) -> None:
    plain = "Zhang 13800138000" if kind is str else b"Zhang 13800138000"
    changed, expected = change(as_secret(plain)), change(plain)
    assert changed == expected
    if not isinstance(expected, int):
        assert isinstance(changed, Secret | SecretBytes)
        assert repr(changed) == MASK


def test_logs_show_neither(caplog: pytest.LogCaptureFixture) -> None:
    log = logs.for_device("id-1")
    with caplog.at_level(logging.INFO):
        log.info(
            "seen %s", Secret(CANARY), extra={"fields": {"who": Secret(CANARY), "raw": as_secret(CANARY.encode())}}
        )
    (record,) = caplog.records
    for as_json in (True, False):
        text = logs._Formatter(as_json=as_json).format(record)  # noqa: SLF001
        assert not canaries.found([CANARY], [("the log", text.encode())])
        assert "Secret" in text


# --- the vocabulary ------------------------------------------------------------------------------


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    elif get_origin(kind) in (Annotated, Union, UnionType, tuple, list) or isinstance(kind, UnionType):
        for part in get_args(kind):
            yield from structs_in(part)


def test_every_sealed_field_is_made_of_personal_structs_alone() -> None:
    for event in (*EVENTS, *COMMANDS):
        sealed: frozenset[str] = getattr(event, "sealed_fields", frozenset()) | getattr(
            event, "sealed_params", frozenset()
        )
        fields = {field.name: field.type for field in msgspec.structs.fields(event)}
        assert sealed <= fields.keys(), event
        inside = [struct for name in sealed for struct in structs_in(fields[name])]
        while inside:
            struct = inside.pop()
            assert issubclass(struct, Personal), f"{event.__name__}: {struct.__name__} would show what is in it"
            inside += [deeper for field in msgspec.structs.fields(struct) for deeper in structs_in(field.type)]


def leaves(value: object) -> Iterator[object]:
    """Yield every text and every bytes below *value*."""
    if isinstance(value, str | bytes):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from leaves(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from leaves(item)


def decoded(thing: msgspec.Struct) -> msgspec.Struct:
    made: msgspec.Struct = msgspec.msgpack.decode(channel.encode(thing), type=type(thing))
    return made


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.hidden()], ids=repr)
@pytest.mark.parametrize(
    "way", [lambda sample: sample, decoded, msgspec.structs.replace], ids=["made", "read", "copied"]
)
def test_no_personal_field_is_forgotten(sample: Payload, way: Callable[[Payload], Payload]) -> None:
    event = way(sample)
    for name in sample.hidden():
        values = list(leaves(getattr(event, name)))
        assert values
        assert not [value for value in values if not isinstance(value, Secret | SecretBytes)], name
    shown = f"{event} {event!r} {[getattr(event, name) for name in event.hidden()]}"
    texts = [value for name in event.hidden() for value in leaves(getattr(event, name)) if isinstance(value, Secret)]
    assert not canaries.found([text.reveal() for text in texts if len(text) > 3], [("its repr", shown.encode())])


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command.sealed_params], ids=lambda one: one.__name__
)
def test_no_personal_parameter_is_forgotten(command: type[Params]) -> None:
    for name in command.sealed_params:
        asked = command(**{name: CANARY})
        assert isinstance(getattr(asked, name), Secret)
        assert CANARY not in f"{asked} {asked!r} {getattr(asked, name)}"


def test_a_foreign_vocabulary_is_masked_too() -> None:
    class Tasted(Payload, frozen=True, kw_only=True):
        kind = "tongue"
        type = "tasted"
        sealed_fields = frozenset({"who", "raw"})
        who: str
        raw: bytes
        at: str

    event = Tasted(who=CANARY, raw=CANARY.encode(), at="table")
    assert f"{event!r} {event.who} {event.raw!r} {event.at}" == f"<tongue.tasted> {MASK} {MASK} table"
    assert revealed(event) == {"who": CANARY, "raw": "5byg5LiJ5LiJMTM4MDAxMzgwMDA=", "at": "table"}


def test_who_encodes_a_person_says_so() -> None:
    holder = CardHolder(name=CANARY, sex=Coded("1", "男"))
    with pytest.raises(TypeError) as refused:
        msgspec.json.encode(holder)
    assert CANARY not in f"{refused.value} {refused.value!r}"
    assert json.loads(msgspec.json.encode(holder, enc_hook=reveal)) == {
        "name": CANARY,
        "sex": {"code": "1", "name": "男"},
    }
    with pytest.raises(TypeError, match="object is no type of the vocabulary"):
        reveal(object())


@given(TEXT, TEXT)
def test_a_refused_event_says_nothing_of_it(text: str, other: str) -> None:
    bad = Scanned(content="personal", length_bytes=-1, text=f"\u2603{text}", symbology=[f"\u2603{other}"])  # type: ignore[arg-type]
    with pytest.raises(BadPayload) as refused:
        EnvelopeRenderer("h", "w").render(Draft("gun-1", bad), 1, 1)
    assert "\u2603" not in "".join(traceback.format_exception(refused.value))
