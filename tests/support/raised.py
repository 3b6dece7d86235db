"""Find in the source what is raised with which code: the sentence and the action, with a name for each variable part.

A sentence is found where it stands: as a constant or an f-string beside its code, in a variable of that function, or
in a mapping of codes. What a function returns or what comes from outside is not followed.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.project import ROOT, modules

CODE = re.compile(r"[A-Z]{3}-[0-9]{3}")
_IN_TEXT = re.compile(rf"(?<![A-Za-z0-9-]){CODE.pattern}(?![0-9-])")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_RESULTS = ("ok", "warn", "fail", "skip")
_NO_CODES = {"SHA-256"}
_ACTIONS = re.compile(r"ACTION|REMED", re.IGNORECASE)


class Said(NamedTuple):
    """A sentence at its place; *action*: it says what to do, not what was seen."""

    code: str
    text: str
    action: bool
    place: str
    mapping: bool = False
    """Whether it stands in a mapping of codes, which may be a list of titles."""
    loose: bool = False
    """Whether it comes from a variable, which may have held it for another code."""


@dataclass
class _Scope:
    """What the names of a module and of one of its functions may stand for."""

    values: dict[str, list[ast.expr]] = field(default_factory=dict)
    outer: _Scope | None = None

    def find(self, name: str) -> list[ast.expr]:
        found = self.values.get(name)
        return found if found is not None else self.outer.find(name) if self.outer else []


def _parsed(path: Path) -> ast.Module:
    """Parse anew each time: all trees together make every later garbage collection of the tests ten times as slow."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def constants(path: Path) -> Sequence[str]:
    """Return every text of *path*: of f-strings their parts; no docstrings."""
    tree = _parsed(path)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told)
    return [node.value for node in nodes if isinstance(node.value, str)]


def codes(path: Path) -> set[str]:
    """Return the codes that stand in texts of *path*."""
    return {code for text in constants(path) for code in _IN_TEXT.findall(text)} - _NO_CODES


def said(path: Path) -> list[Said]:
    """Return every sentence of *path* whose code is known."""
    tree = _parsed(path)
    module = _scope(tree.body, None)
    found = list(_of_mappings(module, path))
    _walk(tree.body, module, path, found)
    return sorted(set(found))


def shape(template: str) -> str:
    """Return *template* without the names in its braces."""
    return re.sub(r"\{\w*\}", "{}", template)


def _scope(body: Iterable[ast.AST], outer: _Scope | None) -> _Scope:
    """Return what is assigned in *body*, not in the functions within it."""
    scope = _Scope(outer=outer)
    for node in _within(body):
        for name, value in _assigned(node):
            scope.values.setdefault(name, []).append(value)
    return scope


def _within(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield from _within(ast.iter_child_nodes(node))


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    pairs: list[tuple[ast.expr, ast.expr | None]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        pairs = [(node.target, node.value)]
    for target, value in pairs:
        if isinstance(target, ast.Name) and value is not None:
            yield target.id, value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            yield from ((one.id, each) for one, each in zip(target.elts, value.elts, strict=True)
                        if isinstance(one, ast.Name))  # fmt: skip


def _walk(body: Iterable[ast.AST], scope: _Scope, path: Path, found: list[Said]) -> None:
    for node in body:
        if isinstance(node, _FUNCTIONS):
            _walk(node.body, _scope(node.body, scope), path, found)
            continue
        if isinstance(node, ast.ClassDef):
            found += _of_class(node, scope, path)
        if isinstance(node, ast.Call):
            found += _of_call(node, scope, path)
        _walk(ast.iter_child_nodes(node), scope, path, found)


def _of_class(node: ast.ClassDef, scope: _Scope, path: Path) -> Iterator[Said]:
    own = _scope(node.body, scope)
    for code in itertools.chain.from_iterable(_texts(one, own) for one in own.values.get("default_code", [])):
        for action in own.values.get("default_action", []):
            yield from _all(code, action, own, path, action=True)


def _of_call(node: ast.Call, scope: _Scope, path: Path) -> Iterator[Said]:
    words = {keyword.arg: keyword.value for keyword in node.keywords}
    message: ast.expr | None = None
    action = words.get("action")
    if "code" in words:
        told = [code for code in _texts(words["code"], scope) if CODE.fullmatch(code)]
        message = node.args[0] if node.args else words.get("message") or words.get("seen")
        message = None if _called(node) == "Status" else message  # what a device says, in its own words
    elif (at := next((index for index, arg in enumerate(node.args) if _is_code(arg, scope)), None)) is None:
        code = defaults().get(_called(node))
        told, message = [code] if code else [], node.args[0] if node.args else None
    else:
        told = [code for code in _texts(node.args[at], scope) if CODE.fullmatch(code)]
        behind = _behind(node, at)
        behind = [arg for arg in behind if not (isinstance(arg, ast.Constant) and arg.value in _RESULTS)]
        message, action = behind[0] if behind else None, behind[1] if len(behind) > 1 else action
    for code, (sentence, is_action) in itertools.product(told, ((message, False), (action, True))):
        if sentence is not None:
            found = _all(code, sentence, scope, path, action=is_action)
            yield from (each._replace(loose=each.loose or len(told) > 1) for each in found)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


@cache
def defaults() -> Mapping[str, str]:
    """Return the code that each class of errors has by itself, by the class's name."""
    own: dict[str, str] = {}
    above: dict[str, list[str]] = {}
    for path in modules("edge", "drivers"):
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.ClassDef):
                above[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
                values = _scope(node.body, None).values.get("default_code", [])
                own.update((node.name, text) for value in values for text in _texts(value, _Scope()))

    def of(name: str) -> str | None:
        return own.get(name) or next((code for base in above.get(name, ()) if (code := of(base))), None)

    return {name: code for name in above if (code := of(name))}


def _behind(node: ast.Call, at: int) -> Sequence[ast.expr]:
    """Return what stands behind the code in a call: what was seen, and what to do."""
    before, behind = node.args[:at], node.args[at + 1 :]
    match _called(node):
        case "Notice":
            return [*before, *behind]
        case "Named":
            return [ast.Constant(""), *behind]
        case "_check":  # of the self-test: the result comes first
            return behind[1:]
    return behind


def _is_code(node: ast.expr, scope: _Scope) -> bool:
    return isinstance(node, ast.Constant | ast.Name) and any(CODE.fullmatch(text) for text in _texts(node, scope))


def _of_mappings(scope: _Scope, path: Path) -> Iterator[Said]:
    """Yield what mappings of codes to sentences say."""
    for name, value in ((name, value) for name, values in scope.values.items() for value in values):
        if isinstance(value, ast.Dict):
            for key, text in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and CODE.fullmatch(key.value):
                    both = text.elts if isinstance(text, ast.Tuple) else [text]
                    for index, one in enumerate(both):  # what was seen, or that and what to do
                        action = index > 0 or bool(_ACTIONS.search(name))
                        found = _all(key.value, one, scope, path, action=action)
                        yield from (each._replace(mapping=True) for each in found)


def _all(code: str, node: ast.expr, scope: _Scope, path: Path, *, action: bool) -> Iterator[Said]:
    for text in _texts(node, scope):
        if " " in text and text[0] not in " :(":  # else it is a word of a program, or only a part of a sentence
            yield Said(code, text, action, f"{path}:{node.lineno}", loose=isinstance(node, ast.Name))


def _texts(node: ast.expr, scope: _Scope, depth: int = 0) -> list[str]:
    """Return every text that *node* may be, variable parts as names in braces."""
    found: list[str] = []
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = [node.value]
    elif isinstance(node, ast.JoinedStr):
        parts = [_part(value, scope, depth) for value in node.values]
        found = ["".join(each) for each in itertools.islice(itertools.product(*parts), 16)]
    elif isinstance(node, ast.IfExp):
        found = _texts(node.body, scope, depth) + _texts(node.orelse, scope, depth)
    elif isinstance(node, ast.BoolOp):
        found = [text for value in node.values for text in _texts(value, scope, depth)]
    elif isinstance(node, ast.Name) and depth < 4:
        found = [text for value in scope.find(node.id) for text in _texts(value, scope, depth + 1)]
    elif isinstance(node, ast.Subscript):
        found = _looked_up(node, scope)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        found = _texts(node.func.value, scope, depth)
    return found


def _part(node: ast.expr, scope: _Scope, depth: int) -> list[str]:
    if isinstance(node, ast.FormattedValue):
        inner = node.value
        if isinstance(inner, ast.Subscript | ast.IfExp) and (known := _texts(inner, scope, depth)):
            return known
        return [f"{{{_name(inner)}}}"]
    return _texts(node, scope, depth)


def _name(node: ast.expr) -> str:
    names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    return names[-1] if names else "value"


def _looked_up(node: ast.Subscript, scope: _Scope) -> list[str]:
    """Return what ``CODES["ABC-101"]`` says."""
    if not (isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Constant)):
        return []
    mappings = [value for value in scope.find(node.value.id) if isinstance(value, ast.Dict)]
    return [
        text
        for mapping in mappings
        for key, value in zip(mapping.keys, mapping.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == node.slice.value
        for text in _texts(value, scope)
    ]


def listed(paths: Iterable[Path]) -> Mapping[str, list[Said]]:
    """Return what is said with each code in *paths*."""
    found: dict[str, list[Said]] = {}
    for one in itertools.chain.from_iterable(said(path) for path in paths):
        found.setdefault(one.code, []).append(one)
    return found
