"""What a linter cannot say: budgets, the one-way rule inside drivers/, no traces of a machine, the lock."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.project import PACKAGES, ROOT, files, modules, pyproject

FILE_LINES = 300
FUNCTION_LINES = 40
CORE_LINES = 3_500
NOT_CORE = {"page", "subscriber", "messages", "tools"}

NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip

LOCKS = ("run", "package", "demo", "dev", "build")

# In pieces, so that this file does not hold what it looks for.
TRACES = [
    "/".join(["", *parts])
    for parts in (("work", ""), ("root", ""), ("opt", "wheels"), ("opt", "pypi"), ("tmp", "bash_jobs"))
] + [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("debian", "org"),
        ("crates", "io"),
        ("golang", "org"),
        ("", "pyenv"),
    )
]


# --- budgets -------------------------------------------------------------------------------------


@cache
def excepted() -> str:
    """Return the lines of DECISIONS.md that start with ``budget:`` and name the files that may be larger."""
    decisions = ROOT / "DECISIONS.md"
    text = decisions.read_text(encoding="utf-8") if decisions.exists() else ""
    return "\n".join(line for line in text.splitlines() if line.startswith("budget:"))


def may_exceed(path: Path) -> bool:
    return re.search(rf"(?<![\w/.]){re.escape(path.as_posix())}(?!/?\w)", excepted()) is not None


def lines(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def code_lines(path: Path) -> int:
    """Return the lines that hold code: no blank ones, no comments, no docstrings."""
    text = (ROOT / path).read_text(encoding="utf-8")
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            held.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(held)


def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def test_no_file_is_longer_than_the_budget() -> None:
    long = {str(path): lines(path) for path in modules(*PACKAGES, "tests") if lines(path) > FILE_LINES}
    assert not {name for name in long if not may_exceed(Path(name))}, long


def test_no_function_is_longer_than_the_budget() -> None:
    long = [
        f"{path}:{node.lineno} {node.name} has {length} lines"
        for path in modules(*PACKAGES, "tests")
        if not may_exceed(path)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not long


def test_the_core_stays_small() -> None:
    core = {str(path): code_lines(path) for path in modules("edge") if path.parts[1] not in NOT_CORE}
    assert sum(core.values()) <= CORE_LINES or may_exceed(Path("edge")), core


# --- the one-way rule, where import-linter has no words for it -----------------------------------


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, wherever the import stands."""
    package = path.parts[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # `from drivers import pad` names a module too, and `from drivers.pad import X` another one
            yield from (f"{source}.{alias.name}" for alias in node.names)


def test_a_driver_imports_no_other_driver() -> None:
    """Code that a driver is split into stands in ``drivers/_*.py``; that alone may be imported."""
    wrong = [
        f"{path} imports {name}"
        for path in modules("drivers")
        for name in imported(path)
        if name.startswith("drivers.") and not name.split(".")[1].startswith("_")
    ]
    assert not wrong


def test_a_simulator_stands_on_the_standard_library_alone() -> None:
    allowed = {*sys.stdlib_module_names, "simulators"}
    drawing = {"numpy", "cv2"}  # pages and desks are drawn, not stored; never needed to import a simulator
    wrong = [
        f"{path} imports {name}"
        for path in modules("simulators")
        for name in imported(path)
        if name.split(".")[0] not in allowed | drawing
    ]
    assert not wrong
    code = "import sys, simulators.bench; sys.exit(bool({'numpy', 'cv2'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_the_import_rules_see_every_form_of_import(tmp_path: Path) -> None:
    source = tmp_path / "drivers" / "pad.py"
    source.parent.mkdir()
    source.write_text("import a.b\nfrom . import c\nfrom .d import e\ndef f():\n    from g.h import i\n")
    relative = Path("drivers", "pad.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "ROOT", tmp_path)
        assert list(imported(relative)) == ["a.b", "drivers.c", "drivers.d.e", "g.h.i"]


# --- what is packaged ----------------------------------------------------------------------------


def test_every_data_file_of_the_packages_is_in_the_wheel() -> None:
    patterns = [
        f"{package}/{pattern}"
        for package, own in pyproject()["tool"]["setuptools"]["package-data"].items()
        for pattern in own
    ]
    packaged = {path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(pattern)}
    left_out = [
        path
        for path in files()
        if path.parts[0] in PACKAGES and path.suffix not in (".py", ".md") and path not in packaged
    ]
    assert not left_out, "name them in [tool.setuptools.package-data]"


# --- no traces of the machine it was written on --------------------------------------------------


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path}:{number} {trace}"
        for path in files()
        for number, line in enumerate((ROOT / path).read_text("utf-8", errors="ignore").splitlines(), 1)
        for trace in TRACES
        if trace in line and not line.startswith("Format: https://www.")  # what a debian/copyright must begin with
    ]
    assert not found


# --- the lock ------------------------------------------------------------------------------------


def requirements(lock: str) -> dict[str, str]:
    """Return a lock's packages, each with its version and its hashes."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[a-z0-9-]+==", entry) for entry in entries), "only pins, no options"
    return dict(entry.split("==", 1) for entry in entries)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes_and_no_address(lock: str) -> None:
    for name, rest in requirements(lock).items():
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", rest), name
        assert "/" not in rest, name


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("run", []),
        ("package", ["camera", "plug", "scanner", "usb"]),
        ("demo", ["demo"]),
        ("dev", ["demo", "dev"]),
    ],
)
def test_the_lock_holds_what_the_project_asks_for(lock: str, extras: list[str]) -> None:
    project = pyproject()["project"]
    asked = [*project["dependencies"]]
    extras_of = project["optional-dependencies"]
    for item in (item for extra in extras for item in extras_of[extra]):
        own = re.fullmatch(r"hall-edge\[(.*)\]", item)  # an extra made of extras
        asked += [one for name in own[1].split(",") for one in extras_of[name]] if own else [item]
    names = {re.split(r"[\[<>=!~ ;]", item)[0] for item in asked}
    assert names <= requirements(lock).keys(), "run `make lock`"


def test_the_locks_agree() -> None:
    run, package, demo, dev, build = (requirements(lock) for lock in LOCKS)
    assert run.items() <= package.items() <= demo.items() <= dev.items()
    assert build.items() <= dev.items()
