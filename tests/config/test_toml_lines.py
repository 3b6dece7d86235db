"""The line of every key, in every way that TOML has to write one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.toml_lines import Path, key_lines

SAMPLE = '''\
# a comment with [a table] and a = "key"
top = 1                       # 2
"quoted key" = 2              # 3
'literal.key' = 3             # 4
"esc\\u0061ped \\"x\\"" = 4     # 5
dotted . name = 5             # 6
dotted.other."with.dot" = 6   # 7

[table]                       # 9
text = "a # b [c] = 1 \\" ]"   # 10
many = """
[not.a.table] = "x"
more = 1 \\""" "" ""\\
"""                           # 14
after = \'\'\'
key = 1 # \'\' \'\'\'             # 16
quotes = """x"""""            # 17
single = \'\'\'\'x\'\'\'\'\'          # 18
empty = """"""                # 19
last = \'\'                     # 20

[ table . "sub table" ]       # 22
list = [                      # 23
  1, # , ]
  [ 2, 3 ],                   # 25

  { a = 1, b.c = "}" },       # 27
  "x",                        # 28
]
date = 1979-05-27 07:32:00    # 30
inline = { x = { y = [1, {z = 2}] }, "k" = \'#\' } # 31

[[items]]                     # 33
name = "a"                    # 34
[items.part]                  # 35
x = 1                         # 36
[[items.parts]]               # 37
y = 1                         # 38
[[items.parts]]               # 39
y = 2                         # 40
[[items]]                     # 41
[[items.parts]]               # 42
y = 3                         # 43
[items.parts.deep.er]         # 44
[later]                       # 45
'''


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the path of everything in *value*."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("literal.key",), 4),
        (('escaped "x"',), 5),
        (("dotted",), 6),
        (("dotted", "name"), 6),
        (("dotted", "other", "with.dot"), 7),
        (("table",), 9),
        (("table", "text"), 10),
        (("table", "many"), 11),
        (("table", "after"), 15),
        (("table", "quotes"), 17),
        (("table", "single"), 18),
        (("table", "empty"), 19),
        (("table", "last"), 20),
        (("table", "sub table"), 22),
        (("table", "sub table", "list"), 23),
        (("table", "sub table", "list", 0), 24),
        (("table", "sub table", "list", 1, 1), 25),
        (("table", "sub table", "list", 2, "b", "c"), 27),
        (("table", "sub table", "list", 3), 28),
        (("table", "sub table", "date"), 30),
        (("table", "sub table", "inline", "x", "y", 1, "z"), 31),
        (("table", "sub table", "inline", "k"), 31),
        (("items",), 33),
        (("items", 0), 33),
        (("items", 0, "part", "x"), 36),
        (("items", 0, "parts"), 37),
        (("items", 0, "parts", 1, "y"), 40),
        (("items", 1), 41),
        (("items", 1, "parts", 0, "y"), 43),
        (("items", 1, "parts", 0, "deep"), 44),
        (("items", 1, "parts", 0, "deep", "er"), 44),
        (("later",), 45),
    ],
    ids=str,
)
def test_where_it_stands(path: Path, line: int) -> None:
    assert key_lines(SAMPLE)[path] == line
    assert key_lines(SAMPLE.replace("\n", "\r\n"))[path] == line


def test_nothing_is_missed_and_nothing_is_invented() -> None:
    assert set(key_lines(SAMPLE)) == set(paths(tomllib.loads(SAMPLE)))


def test_a_table_that_is_named_later_stands_at_its_header() -> None:
    assert key_lines("[a.b]\n[a]\nx = 1\n") == {("a",): 2, ("a", "b"): 1, ("a", "x"): 3}


def test_an_empty_file_and_one_without_a_last_newline() -> None:
    assert key_lines("") == {}
    assert key_lines("# nothing") == {}
    assert key_lines("\n[a]\nb=1") == {("a",): 2, ("a", "b"): 3}


@pytest.mark.parametrize("text", ["[", "[[a", "a", "a =", 'a = "', "= 1", "a = [1", "a = {b", "]", "a.", "\\"])
def test_what_is_no_toml_does_no_harm(text: str) -> None:
    assert isinstance(key_lines(text), dict)


def test_a_megabyte_is_quick() -> None:
    text = f'a = """{"x" * 500_000}"""\nb = [{"1, " * 50_000}]\nc = "{"y" * 200_000}"\n{"#" * 100_000}\nd = 1\n'
    assert key_lines(text)["d",] == 5


keys = st.one_of(st.from_regex(r"\A[A-Za-z0-9_-]{1,5}\Z"), st.text(st.characters(codec="utf-8"), max_size=4))
values = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'


def written(value: object) -> str:
    """Return *value* in TOML, lists over several lines."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[ # [\n" + "".join(f"{written(item)}\n,\n" for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(item)}" for key, item in value.items()) + "}"
    return str(value)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3))
def test_it_finds_what_tomllib_finds(document: dict[str, dict[str, object]]) -> None:
    text = ""
    for name, table in document.items():
        text += f"[{quoted(name)}]\n" + "".join(f"{quoted(key)} = {written(item)}\n" for key, item in table.items())
    assert tomllib.loads(text) == document
    assert set(key_lines(text)) == set(paths(document))
