"""What every code means, in Chinese and English: what is seen, what it means for the window, what to do, and by whom.

The catalogue is the ``*.toml`` files beside this one, the drivers' own in ``messages/`` of their package, a table a
code, its header alone on its line::

    [SER-101]
    who = "technician"
    en.title = "the serial port is not there"
    en.effect = "this device cannot be used; the others can"
    en.action = "plug the device in and check its cable and power"
    zh.title = "串口不存在"
    zh.effect = "该设备暂时不能使用，其他设备不受影响"
    zh.action = "插好设备，检查电缆和电源"
    seen = [["{node} is not there", "{node} 不存在"]]
    do = [["add the daemon's user to the group {group}", "把服务用户加入 {group} 组"]]

Programs say their sentences in English, on the wire and in the log; ``seen`` (what was observed) and ``do`` (the
action, where one is more exact than the code's own) pair such a sentence with its Chinese one, by the names in braces.
A name may have words of its own (``words.toml``): ``{state}`` is then told in Chinese too. What has no pair is told
by the code's title and action.

How they are written:

1. One code, one cause, one action. What is mended in another way gets another code; a code that is gone is never
   given again (``retired.toml``).
2. ``title``: what was seen, at most 60 letters, no figure, no full stop, lower case (names and units as they are).
   ``effect``: what it means for this window now, and what is *not* lost. ``action``: one imperative sentence, the
   cheapest thing that helps first; no "contact support" unless that is all there is to do.
3. ``who`` is who can do that action: clerk (anybody at the window), technician (hands, cables, this PC),
   administrator (server, network, configuration, certificates), back-office (whoever fetches the events), developer
   (a bug: send the log).
4. Chinese as a colleague would say it: short, no 您, no 请 before every verb, no passive, full-width ，。：（） between
   Chinese, a space between Chinese and Latin letters or figures, no full stop at the end, commands as they are typed.
   评价器 evaluation pad · 身份证阅读器 ID-card reader · 读卡器 smart-card reader · 高拍仪 document camera ·
   扫描仪 scanner · 扫码枪 code scanner · 消息服务器 broker · 后台 back office · 订阅方 subscriber ·
   本机存储 outbox · 窗口 window · 配置 configuration.
5. ``seen`` and ``do`` have the English exactly as it is raised, with the names of the variables in braces.
6. Nothing personal, no machine's path, no brand where the kind says it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from edge.messages.files import CatalogueError, Table, foreign_tables, our_tables
from edge.messages.language import Lang
from edge.messages.pairs import Pairs, told

__all__ = ["CatalogueError", "Entry", "Lang", "Who", "Wording", "catalogue", "remedy", "sentence"]

Who = Literal["clerk", "technician", "administrator", "back-office", "developer"]
"""Who can mend it."""


class Wording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code in one language."""

    title: str
    effect: str
    action: str


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the catalogue."""

    who: Who
    en: Wording
    zh: Wording
    seen: Pairs = ()
    """Pairs of an English sentence and the Chinese one, with the same names in braces."""
    do: Pairs = ()
    """The same for actions that are more exact than the code's own."""

    def wording(self, lang: Lang) -> Wording:
        """Return its texts in *lang*."""
        return self.zh if lang == "zh" else self.en


class Catalogue(Mapping[str, Entry]):
    """Every code's entry. A table is read when it is asked for: all of them together take a quarter of a second."""

    def __init__(self, tables: Mapping[str, Table], *, foreign: bool) -> None:
        self._ours = tables
        self._look_abroad = foreign
        self._read: dict[str, Entry] = {}

    @functools.cached_property
    def _foreign(self) -> Mapping[str, Table]:
        """What packages of foreign drivers say; none of them says anew what a code of ours means."""
        return foreign_tables(Entry) if self._look_abroad else {}

    def __getitem__(self, code: str) -> Entry:
        if code not in self._read:
            table = self._ours.get(code) or self._foreign.get(code)
            if table is None:
                raise KeyError(code)
            self._read[code] = table.entry(Entry)
        return self._read[code]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._ours.keys() | self._foreign.keys()))

    def __len__(self) -> int:
        return len(self._ours.keys() | self._foreign.keys())


@functools.cache
def catalogue(*, foreign: bool = True) -> Mapping[str, Entry]:
    """Return every code's entry, in the order of the codes; without *foreign*, only those of this repository."""
    return Catalogue(our_tables(), foreign=foreign)


def sentence(code: str, message: str, lang: Lang) -> str:
    """Return what a program said in English (*message*, with its *code*) in *lang*.

    Chinese has the sentence's own words and figures where the catalogue has a pair for it; else it is the code's
    title. What is Chinese already stays, and so does what a code says that nobody knows.
    """
    entry = catalogue().get(code)
    if lang == "en" or entry is None:
        return message or (entry.en.title if entry else code)
    return told(message, entry.seen) or (message if _is_chinese(message) else entry.zh.title)


def remedy(code: str, action: str, lang: Lang) -> str:
    """Return what to do about *code* in *lang*: *action*, as the program says it in English, else the code's own."""
    entry = catalogue().get(code)
    if lang == "en" or entry is None:
        return action or (entry.en.action if entry else "")
    return told(action, entry.do) or (action if _is_chinese(action) else entry.zh.action)


def _is_chinese(text: str) -> bool:
    return "\u4e00" <= text[:1] <= "\u9fff"
