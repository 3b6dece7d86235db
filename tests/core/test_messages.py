"""The catalogue of codes and the source agree: every code is told in both languages, and with its own words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache

from edge.messages import Entry, catalogue, remedy, sentence
from edge.messages.pairs import pattern, words
from tests.support.project import ROOT, files, modules
from tests.support.raised import CODE, Said, codes, constants, listed, shape

HAN = re.compile("[\u4e00-\u9fff]")
SOURCE = [path for path in modules("edge", "drivers") if path.parts[:2] != ("edge", "messages") or path.stem == "files"]
CATALOGUE = [path for path in files() if path.match("*/messages/*.toml")]
OWN = catalogue(foreign=False)
_NAME = re.compile(r"\{(\w+)\}")


@cache
def used() -> dict[str, set[str]]:
    """Return the codes that stand in the source, with the files."""
    found: dict[str, set[str]] = {}
    for path in SOURCE:
        for code in codes(path):
            found.setdefault(code, set()).add(str(path))
    return found


@cache
def raised() -> dict[str, list[Said]]:
    return dict(listed(SOURCE))


def retired() -> list[str]:
    texts = [(ROOT / path).read_text("utf-8") for path in CATALOGUE if path.name == "retired.toml"]
    return [code for text in texts for code in tomllib.loads(text)["retired"]]


def pairs_of(entry: Entry) -> Iterator[tuple[str, str]]:
    yield from entry.seen
    yield from entry.do


def sample(template: str) -> str:
    """Return a sentence made of *template*."""
    return _NAME.sub("x1", template)


@cache
def alike(one: str, other: str) -> bool:
    """Return whether two templates can be the same sentence."""
    return bool(pattern(_numbered(one)).fullmatch(sample(other)) or pattern(_numbered(other)).fullmatch(sample(one)))


def _numbered(template: str) -> str:
    """Return *template* with another name in each of its braces."""
    numbers = iter(range(99))
    return _NAME.sub(lambda _: f"{{n{next(numbers)}}}", template)


# --- codes ---------------------------------------------------------------------------------------


def test_every_code_of_the_source_is_in_the_catalogue() -> None:
    assert {code: places for code, places in used().items() if code not in OWN} == {}


def test_every_code_of_the_catalogue_is_used() -> None:
    assert [code for code in OWN if code not in used()] == []


def test_a_code_that_is_gone_is_never_given_again() -> None:
    gone = retired()
    assert len(gone) == len(set(gone))
    assert [code for code in gone if code in OWN or code in used()] == []
    assert all(CODE.fullmatch(code) for code in gone)


def test_a_file_of_the_catalogue_holds_nothing_but_its_codes() -> None:
    for path in CATALOGUE:
        tables = tomllib.loads((ROOT / path).read_text("utf-8"))  # refuses a code that stands twice
        if path.name not in ("words.toml", "retired.toml"):
            assert [name for name in tables if not CODE.fullmatch(name)] == [], path
            assert [name for name in tables if name not in OWN] == [], path
            assert list(tables) == sorted(tables, key=lambda code: (areas(tables).index(code[:3]), code)), path


def areas(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(code[:3] for code in codes))


# --- texts ---------------------------------------------------------------------------------------


def test_every_text_is_there_in_both_languages() -> None:
    wrong = [
        f"{code} {why}: {text}"
        for code, entry in OWN.items()
        for lang, wording in (("en", entry.en), ("zh", entry.zh))
        for text in (wording.title, wording.effect, wording.action)
        for why in (english_flaws(text) if lang == "en" else chinese_flaws(text))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_title_is_short_and_an_action_is_one_sentence() -> None:
    wrong = [f"{code} long title: {entry.en.title}" for code, entry in OWN.items() if len(entry.en.title) > 90]
    wrong += [
        f"{code} capital: {entry.en.title}" for code, entry in OWN.items() if re.match("[A-Z][a-z]", entry.en.title)
    ]
    for code, entry in OWN.items():
        wrong += [
            f"{code} two sentences: {text}"
            for text in (entry.en.action, entry.zh.action)
            if "。" in text or re.search(r"[a-z][.] [A-Z]", text)
        ]
    assert not wrong, "\n".join(wrong)


def english_flaws(text: str) -> Iterator[str]:
    if not text.strip() or text != text.strip():
        yield "empty or blanks"
    if HAN.search(text):
        yield "Chinese in English"
    if text.endswith((".", "!", "?")):
        yield "full stop"


def chinese_flaws(text: str) -> Iterator[str]:
    if text != text.strip() or not HAN.search(text):
        yield "no Chinese"
    if text.endswith(("。", ".", "！")) or "您" in text:
        yield "full stop or 您"
    if re.search("[\u4e00-\u9fff][,;!?]", text):
        yield "half-width punctuation"


def test_pairs_say_the_same_in_both_languages() -> None:
    wrong = [
        f"{code} {why}: {english} | {chinese}"
        for code, entry in OWN.items()
        for english, chinese in pairs_of(entry)
        for why in pair_flaws(english, chinese)
    ]
    for code, entry in OWN.items():
        wrong += [f"{code} twice" for pairs in (entry.seen, entry.do) if len({one for one, _ in pairs}) < len(pairs)]
    assert not wrong, "\n".join(wrong)


def pair_flaws(english: str, chinese: str) -> Iterator[str]:
    words_alone = re.sub("chmod o= ", "", _NAME.sub("", english))
    if set(_NAME.findall(english)) != set(_NAME.findall(chinese)):
        yield "other names"
    if HAN.search(english):
        yield "Chinese in English"
    if re.search("[a-zA-Z]{2}", words_alone) and not HAN.search(chinese) and english != chinese:
        yield "no Chinese"
    if english.strip() != english or chinese.strip() != chinese:
        yield "blanks"


def test_no_pair_hides_a_later_one() -> None:
    """The first pair that fits is told: a more exact one has to stand before it."""
    hidden = [
        f"{code}: {early} hides {late}"
        for code, entry in OWN.items()
        for pairs in (entry.seen, entry.do)
        for number, (late, _) in enumerate(pairs)
        for early, _ in pairs[:number]
        if pattern(early).fullmatch(sample(late))
    ]
    assert not hidden, "\n".join(hidden)


def test_words_say_the_same_in_both_languages_and_are_used() -> None:
    templates = [english for entry in OWN.values() for english, _ in pairs_of(entry)]
    for name, pairs in words().items():
        for english, chinese in pairs:
            assert set(_NAME.findall(english)) == set(_NAME.findall(chinese)), (name, english)
            templates.append(english)
    assert words().keys() - {name.rstrip("_0123456789") for text in templates for name in _NAME.findall(text)} == set()


# --- source and pairs ----------------------------------------------------------------------------


def test_what_is_raised_has_its_chinese() -> None:
    """Every sentence that stands beside its code in the source is told in Chinese with its own words and figures."""
    missing = [
        f"{code} {'do' if one.action else 'seen'} {one.text!r} {one.place}"
        for code in OWN
        for one in raised().get(code, ())
        if not any(is_told(one, OWN[other]) for other in [code, *(beside(one) if one.loose else ())])
    ]
    assert not missing, "\n".join(missing)


def beside(one: Said) -> list[str]:
    """Return the codes that are raised in the same file as *one*."""
    file = one.place.partition(":")[0]
    return [code for code in OWN if file in used().get(code, ())]


def is_told(one: Said, entry: Entry) -> bool:
    pairs, general = (entry.do, entry.en.action) if one.action else (entry.seen, entry.en.title)
    plain = not _NAME.search(one.text)
    if one.text == general or (plain and (one.mapping or not pairs) and not one.action):
        return True  # its title says it
    return any(alike(one.text, english) for english, _ in pairs)


def test_every_pair_stands_in_the_source() -> None:
    gone = [
        f"{code}: {english}"
        for code, entry in OWN.items()
        for english, _ in pairs_of(entry)
        if not all(is_said(part) for part in parts(english))
        and not any(alike(one.text, english) for one in raised().get(code, ()))
    ]
    assert not gone, "\n".join(gone)


def parts(template: str) -> list[str]:
    return [part.strip(" :()") for part in re.split(r"\{\w+\}", template) if len(part.strip(" :()")) >= 4]


def is_said(part: str, pieces: int = 3) -> bool:
    """Return whether *part* stands in the source, maybe put together of some *pieces*."""
    if part in source_texts():
        return True
    at = [match.start() for match in re.finditer(" ", part)] if pieces > 1 else []
    return any(
        part[:cut].rstrip(" :;,") in source_texts() and is_said(part[cut:].strip(), pieces - 1) for cut in reversed(at)
    )


@cache
def source_texts() -> str:
    return "\n".join(text for path in SOURCE for text in constants(path))


# --- telling -------------------------------------------------------------------------------------


def test_a_sentence_has_its_figures_and_words_in_chinese() -> None:
    assert sentence("SER-101", "/dev/ttyUSB0 is not there", "zh") == "/dev/ttyUSB0 不存在"
    assert sentence("SER-101", "/dev/ttyUSB0 is not there", "en") == "/dev/ttyUSB0 is not there"
    assert sentence("TCP-101", "192.0.2.7:4001: Connection refused", "zh") == "192.0.2.7:4001：连接被拒绝"
    assert sentence("CMD-120", "the device is held", "zh") == "设备被占用"
    held = "/dev/ttyS0 is held by minicom (pid 77)"
    assert sentence("SER-103", held, "zh") == "/dev/ttyS0 被 minicom（进程号 77）占用"
    assert remedy("SER-103", "close minicom (pid 77)", "zh") == "关闭 minicom（进程号 77）"


def test_what_has_no_pair_is_told_by_title_and_action() -> None:
    entry = OWN["SER-101"]
    assert sentence("SER-101", "something that nobody knows", "zh") == entry.zh.title
    assert remedy("SER-101", "something that nobody knows", "zh") == entry.zh.action
    assert sentence("SER-101", "", "en") == entry.en.title
    assert remedy("SER-101", "", "en") == entry.en.action


def test_an_unknown_code_keeps_what_the_program_said() -> None:
    assert sentence("XYZ-999", "the motor is hot", "zh") == "the motor is hot"
    assert remedy("XYZ-999", "wait", "zh") == "wait"
    assert (sentence("XYZ-999", "", "zh"), remedy("XYZ-999", "", "zh")) == ("XYZ-999", "")


def test_braces_and_odd_characters_are_no_names() -> None:
    message = 'there is no window "{0} {hall} %s \\1"; nearest: none'
    assert sentence("CFG-194", message, "zh") == '没有窗口 "{0} {hall} %s \\1"；最接近的：none'


def test_a_shape_has_no_names() -> None:
    assert shape("{a} is {b}") == "{} is {}"
