"""Write ``docs/codes.md``: every code in Chinese and English. ``python -m edge.messages.write docs/codes.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.errors import EdgeError
from edge.messages import Entry, catalogue
from edge.messages.states import WHO

AREAS: Mapping[str, tuple[str, str]] = {
    "CFG": ("配置", "configuration"),
    "SVC": ("系统服务", "service"),
    "SYS": ("本机服务", "daemon and PC"),
    "RUL": ("权限规则", "rules of the system"),
    "CLK": ("时间", "clock"),
    "DSK": ("磁盘", "disk"),
    "STO": ("本机存储", "store"),
    "CRT": ("证书", "certificates"),
    "MQT": ("消息服务器", "broker"),
    "SUB": ("订阅方", "subscribers"),
    "TST": ("自检", "self-test"),
    "DEV": ("设备（通用）", "any device"),
    "DRV": ("驱动", "drivers"),
    "SER": ("串口", "serial lines"),
    "TCP": ("网络设备", "devices on the network"),
    "USB": ("USB 设备", "USB devices"),
    "HID": ("HID 设备", "HID devices"),
    "IDC": ("身份证阅读器", "ID-card reader"),
    "PCS": ("读卡器", "smart-card reader"),
    "CAM": ("高拍仪", "document camera"),
    "ESC": ("扫描仪（eSCL）", "scanner, eSCL"),
    "SAN": ("扫描仪（SANE）", "scanner, SANE"),
    "PAD": ("评价器", "evaluation pad"),
    "SCN": ("扫码枪", "scan gun"),
    "CMD": ("命令请求", "requests"),
    "SEC": ("加密与密钥", "sealing and keys"),
    "REC": ("录制", "recording"),
    "REP": ("回放", "replay"),
    "BUN": ("诊断包", "diagnostics bundle"),
    "FIL": ("文件", "files"),
}
"""What each area is called, in the order of the page."""

_HEAD = """\
# Codes 代码表

Made by `python -m edge.messages.write docs/codes.md` from `edge/messages/` and `drivers/messages/`: edit those.
`hall-edge explain CODE` tells the same on the window's PC, without a network.
在窗口电脑上运行 `hall-edge explain 代码`，不用联网也能看到同样的内容。

A code whose number begins with 0 tells what is well or was left out; every other one tells what is wrong.
编号以 0 开头的表示正常或跳过，其余表示有问题。
"""


def page(entries: Mapping[str, Entry]) -> str:
    """Return the page as Markdown; raises :class:`EdgeError` for a code of an area without a name."""
    if nameless := sorted({code[:3] for code in entries} - AREAS.keys()):
        raise EdgeError(f"these areas have no name: {', '.join(nameless)}", action="add them to AREAS")
    used = [area for area in AREAS if any(code.startswith(area) for code in entries)]
    contents = " · ".join(f"[{area} {AREAS[area][0]}](#{_anchor(area)})" for area in used)
    parts = [_HEAD, f"{contents}\n"]
    for area in used:
        chinese, english = AREAS[area]
        own = [(code, entry) for code, entry in entries.items() if code.startswith(area)]
        parts.append(f"## {area} {chinese} {english}\n\n{_table(own)}")
    return "\n".join(parts)


def _anchor(area: str) -> str:
    """Return the anchor that Markdown gives to the heading of *area*."""
    text = " ".join((area, *AREAS[area])).lower()
    return "".join("-" if char == " " else char for char in text if char.isalnum() or char in " -")


def _table(own: Iterable[tuple[str, Entry]]) -> str:
    lines = ["| 代码 | 看到什么 what is seen | 影响 effect | 处理 action | 谁 who |", "|---|---|---|---|---|"]
    for code, entry in own:
        cells = (
            f"{_cell(getattr(entry.zh, name))}<br>{_cell(getattr(entry.en, name))}"
            for name in ("title", "effect", "action")
        )
        chinese, english = WHO[entry.who]
        lines.append(f"| `{code}` | {' | '.join(cells)} | {chinese}<br>{english} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return *text* as it stands in a table's cell."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def main() -> int:
    """Write the page to the file that is named."""
    Path(sys.argv[1]).write_text(page(catalogue(foreign=False)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
