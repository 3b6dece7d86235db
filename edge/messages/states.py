"""What states and kinds of devices are called, and who mends things: (Chinese, English) by the word on the wire."""

from __future__ import annotations

from collections.abc import Mapping

from edge.messages.language import Lang

Words = Mapping[str, tuple[str, str]]

STATES: Words = {
    "ready": ("正常", "ready"),
    "busy": ("使用中", "busy"),
    "starting": ("启动中", "starting"),
    "absent": ("未连接", "not connected"),
    "denied": ("无权限", "no permission"),
    "held": ("被占用", "held by another program"),
    "stuck": ("无应答", "no answer"),
    "fault": ("故障", "fault"),
    "attention": ("需人工处理", "needs attention"),
    "disabled": ("已停用", "switched off"),
    "maintenance": ("维护中", "maintenance"),
}
KINDS: Words = {
    "id-card": ("身份证阅读器", "ID-card reader"),
    "smart-card": ("读卡器", "smart-card reader"),
    "scanner": ("扫描仪", "scanner"),
    "document-camera": ("高拍仪", "document camera"),
    "evaluation-pad": ("评价器", "evaluation pad"),
    "code-scanner": ("扫码枪", "scan gun"),
}
WHO: Words = {
    "clerk": ("窗口人员", "clerk"),
    "technician": ("现场技术员", "technician on site"),
    "administrator": ("系统管理员", "administrator"),
    "back-office": ("后台管理员", "back office"),
    "developer": ("开发人员", "developers"),
}


def word(words: Words, name: str, lang: Lang) -> str:
    """Return what *name* is called in *lang*; itself, when *words* do not have it."""
    found = words.get(name)
    return name if found is None else found[lang == "en"]
