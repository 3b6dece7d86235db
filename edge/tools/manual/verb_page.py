"""hall-edge(1), and a page for every verb: its arguments as the program has them, and what stands in ``texts``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from edge.tools.manual import chinese, texts
from edge.tools.manual.roff import Page, bold, italic, text

_NAME = "hall-edge"


def pages(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yield every page's file name and text."""
    yield f"{_NAME}.1", _overview(parser)
    for verb, command in verbs_of(parser).items():
        yield f"{_NAME}-{verb}.1", _page(verb, command, "en")
        if verb in chinese.PAGES:
            yield f"{_NAME}-{verb}.zh_CN.1", _page(verb, command, "zh")


def verbs_of(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Return the verbs of *parser*, in their order."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to be asked
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def _helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return what each verb of *parser* is for, in a line."""
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return {one.dest: one.help or "" for one in action._choices_actions}  # noqa: SLF001
    return {}


def _overview(parser: argparse.ArgumentParser) -> str:
    page = Page(_NAME, 1)
    page.heading("NAME")
    page.line(f"{text(_NAME)} \\- {text(texts.OVERVIEW_NAME)}")
    page.heading("SYNOPSIS")
    page.line(f"{bold(_NAME)} {italic('VERB')} [{italic('OPTION')}...]")
    page.heading("DESCRIPTION")
    page.paragraphs(texts.OVERVIEW)
    page.heading("VERBS")
    page.terms((f"{bold(verb)}", f"{said}; see {_NAME}-{verb}(1)") for verb, said in _helps(parser).items())
    page.heading("OPTIONS")
    page.terms(_options(parser, "en", ""))
    _end(page, "", ())
    return str(page)


def _page(verb: str, command: argparse.ArgumentParser, lang: str) -> str:
    page, words = Page(f"{_NAME}-{verb}", 1, lang), chinese.WORDS if lang == "zh" else texts.WORDS
    about = chinese.PAGES[verb]["name"] if lang == "zh" else command.description or texts.NAMES[verb]
    page.heading(words["name"])
    page.line(f"{text(f'{_NAME}-{verb}')} \\- {text(about)}")
    page.heading(words["synopsis"])
    page.line(_synopsis(f"{_NAME} {verb}", command))
    page.heading(words["description"])
    page.paragraphs(chinese.PAGES[verb]["text"] if lang == "zh" else texts.PAGES.get(verb, f"{_begun(about)}."))
    _arguments(page, verb, command, lang, words)
    for name, inner in verbs_of(command).items():
        page.heading(f"{verb} {name}".upper())
        page.paragraphs(f"{_begun(_helps(command)[name])}.")
        page.line(".PP")
        page.line(_synopsis(f"{_NAME} {verb} {name}", inner))
        page.terms([*_positionals(inner, lang, verb), *_options(inner, lang, verb)])
    _end(page, verb, tuple(texts.SEE.get(verb, ())))
    return str(page)


def _begun(plain: str) -> str:
    """Return *plain* as a sentence begins."""
    return plain[:1].upper() + plain[1:]


def _arguments(page: Page, verb: str, command: argparse.ArgumentParser, lang: str, words: Mapping[str, str]) -> None:
    if positionals := list(_positionals(command, lang, verb)):
        page.heading(words["arguments"])
        page.terms(positionals)
    page.heading(words["options"])
    page.terms(_options(command, lang, verb))


def _synopsis(command: str, parser: argparse.ArgumentParser) -> str:
    parts = [bold(command), f"[{italic('OPTION')}...]"]
    for action in parser._get_positional_actions():  # noqa: SLF001
        name = "VERB" if isinstance(action, argparse._SubParsersAction) else _metavar(action)  # noqa: SLF001
        many = "..." if action.nargs in ("*", "+") else ""
        shown = f"{italic(name)}{many}"
        parts.append(f"[{shown}]" if action.nargs in ("*", "?") else shown)
    return " ".join(parts)


def _positionals(parser: argparse.ArgumentParser, lang: str, verb: str) -> Iterator[tuple[str, str]]:
    for action in parser._get_positional_actions():  # noqa: SLF001
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield italic(_metavar(action)), _help(action, parser, lang, verb)


def _options(parser: argparse.ArgumentParser, lang: str, verb: str) -> Iterator[tuple[str, str]]:
    for action in parser._get_optional_actions():  # noqa: SLF001
        if action.help == argparse.SUPPRESS:
            continue
        value = "" if action.nargs == 0 else f" {italic(_metavar(action))}"
        yield ", ".join(bold(flag) for flag in action.option_strings) + value, _help(action, parser, lang, verb)


def _help(action: argparse.Action, parser: argparse.ArgumentParser, lang: str, verb: str) -> str:
    """Return what is said of *action*."""
    said = (action.help or "") % {**vars(action), "prog": parser.prog}
    if lang == "zh":
        said = chinese.PAGES[verb]["options"].get(action.dest) or chinese.OPTIONS[action.dest]
    choices = ", ".join(map(str, action.choices)) if action.choices and action.metavar else ""
    return f"{said} ({choices})" if choices else said


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _end(page: Page, verb: str, see: tuple[str, ...]) -> None:
    """Add what is written by hand: exit status, files, environment, examples, and other pages."""
    zh = page.lang == "zh"
    words = chinese.WORDS if zh else texts.WORDS
    codes = chinese.EXITS if zh else texts.EXITS
    page.heading(words["exits"])
    page.terms((bold(code), meaning) for code, meaning in codes.get(verb, codes["*"]).items())
    for key in ("files", "environment"):
        entries = getattr(chinese if zh else texts, key.upper())
        page.heading(words[key])
        page.terms((italic(name), meaning) for name, meaning in entries.items())
    if example := texts.EXAMPLES.get(verb):
        page.heading(words["examples"])
        page.example(example)
    page.heading(words["see"])
    named = [name for name in ("hall-edge(1)", *see, "hall-edge.toml(5)") if name != f"{_NAME}(1)" or verb]
    page.line(", ".join(f"{bold(name[:-3])}{name[-3:]}" for name in named))
