"""``hall-edge explain``: what a code means for the window, the one thing to do, and who can do it. Offline."""

from __future__ import annotations

import argparse
import json
import re
import sys

import msgspec

from edge.errors import nearest
from edge.messages import Entry, catalogue
from edge.messages.language import Lang, add_language_argument, language
from edge.messages.states import WHO, word
from edge.tools.columns import fitted, of_terminal, wrapped

UNKNOWN = 2
_INDENT = 4
_LABELS = {"zh": ("影响", "处理", "负责"), "en": ("effect", "action", "who")}
_UNKNOWN = {
    "zh": ("没有代码 {code}；最接近的是 {near}", "没有代码 {code}；不带参数的 hall-edge explain 列出全部代码"),
    "en": ("there is no code {code}; nearest: {near}", "there is no code {code}; hall-edge explain alone lists all"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge explain``."""
    parser.add_argument(
        "codes", nargs="*", metavar="CODE", help="as SER-104, in any case; without one: all, a line each"
    )
    parser.add_argument("--json", action="store_true", help="a JSON array, in both languages")
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Print what the codes mean; 2 when one is not known."""
    lang, known = language(chosen.lang), catalogue()
    asked = {code: _spelled(code) for code in chosen.codes}
    found = [code for code in dict.fromkeys(asked.values()) if code in known] if asked else list(known)
    if chosen.json:
        sys.stdout.write(json.dumps([_object(code, known[code]) for code in found], ensure_ascii=False) + "\n")
    elif asked:
        sys.stdout.write("\n".join(_explained(code, known[code], lang) for code in found))
    else:
        sys.stdout.writelines(f"{code}  {fitted(known[code].who, 13)}  {_title(code, lang)}\n" for code in found)
    unknown = [code for code, spelled in asked.items() if spelled not in known]
    for code in unknown:
        print(_not_known(code, lang), file=sys.stderr)  # noqa: T201
    return UNKNOWN if unknown else 0


def _spelled(code: str) -> str:
    """Return *code* as codes are written: ``ser104`` is ``SER-104``."""
    match = re.fullmatch(r"\W*([A-Za-z]{3})\W*([0-9]{3})\W*", code, re.ASCII)
    return f"{match[1]}-{match[2]}".upper() if match else code.upper()


def _title(code: str, lang: Lang) -> str:
    return catalogue()[code].wording(lang).title


def _not_known(code: str, lang: Lang) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in code[:40])
    near = nearest(_spelled(code), catalogue())
    return _UNKNOWN[lang][0 if near else 1].format(code=shown, near=near)


def _explained(code: str, entry: Entry, lang: Lang) -> str:
    wording, columns = entry.wording(lang), of_terminal(sys.stdout)
    colon = "：" if lang == "zh" else ": "
    told = (wording.effect, wording.action, word(WHO, entry.who, lang))
    below = [f"{label}{colon}{text}" for label, text in zip(_LABELS[lang], told, strict=True)]
    lines = [_wrapped(f"{code}  {wording.title}", columns, 0), *(_wrapped(line, columns, _INDENT) for line in below)]
    return "".join(lines)


def _wrapped(text: str, columns: int | None, indent: int) -> str:
    """Return *text* in lines, the later ones a little further in."""
    if columns is None:
        return f"{' ' * indent}{text}\n"
    first, *rest = wrapped(text, columns - indent - _INDENT)
    return "".join(f"{' ' * more}{line}\n" for more, line in ((indent, first), *((indent + 4, one) for one in rest)))


def _object(code: str, entry: Entry) -> dict[str, object]:
    return {
        "code": code,
        "who": entry.who,
        "en": msgspec.to_builtins(entry.en),
        "zh": msgspec.to_builtins(entry.zh),
    }
