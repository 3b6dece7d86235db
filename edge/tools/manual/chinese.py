"""The manual pages in Chinese, of the verbs that a technician types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict


class Texts(TypedDict):
    """A page's own texts; *options* by the name that the program gives them."""

    name: str
    text: str
    options: Mapping[str, str]


WORDS: Mapping[str, str] = {
    "name": "名称",
    "synopsis": "用法",
    "description": "说明",
    "arguments": "参数",
    "options": "选项",
    "exits": "退出码",
    "files": "文件",
    "environment": "环境变量",
    "examples": "例子",
    "see": "另见",
}
PAGES: Mapping[str, Texts] = {
    "selftest": {
        "name": "设备自检：这个窗口能不能开",
        "text": """
检查配置、服务、本机存储、磁盘、时钟、证书、消息服务器及其权限、每个订阅方，以及每台设备（由各自的驱动检查）。最后一行就是结论，
并说明由谁处理。

守护进程在运行时通过它的套接字检查，正在办理业务的设备不受影响；没有运行时由自检自己打开设备。同一时间只能有一个自检。

每行开头是结果 [ OK ]、[WARN]、[FAIL] 或 [SKIP]，然后是固定的代码、用时（秒）和检查对象。
警告和失败还会说明对窗口的影响和一个处理办法。
结果写到标准输出，进度写到标准错误。

--report 另外生成一页可打印的报告（HTML 或 PDF）。校验值是报告 JSON（键排序、无空格、不含校验值本身）的 SHA-256；
hall-edge selftest --verify 文件 会按保存的报告重新计算。
""",
        "options": {
            "devices": "只检查这些设备；不写则检查整个窗口",
            "level": "internal 不影响任何人；external 会走纸、亮灯、鸣响；interactive 需要人配合",
            "config": "配置文件；默认 /etc/hall-edge/hall-edge.toml",
            "run_dir": "只问运行目录为 DIR 的守护进程，没有就报错",
            "strict": "警告也算失败",
            "json": "输出一个 JSON 对象",
            "nagios": "输出一行 Nagios 结果，退出码 0 到 3",
            "quiet": "只输出结论",
            "verify": "不检查，只核对保存的报告有没有被改动",
            "junit": "另外写一份 JUnit XML；写 - 则代替文字输出",
            "report": "另外写一页可打印的 A4 报告：.html 或 .pdf",
        },
    },
    "status": {
        "name": "显示正在运行的守护进程的状态",
        "text": """
最上面是最需要处理的一个问题；然后是每台设备的状态和最近一次应答的时间、消息服务器、数据走到了哪一步（已保存、已发送、服务器已收、后台已确认），
以及本机读出和保存了多少个人信息。
""",
        "options": {},
    },
    "watch": {
        "name": "实时显示守护进程的状态",
        "text": """
内容与 hall-edge status 相同，每秒刷新，Ctrl-C 退出并恢复原来的屏幕；守护进程超过 10 秒没有应答会明确提示。
不在终端里运行时，
每个变化输出一行。
""",
        "options": {},
    },
    "explain": {
        "name": "解释一个代码：含义、影响、处理办法",
        "text": "说明代码对窗口意味着什么、该做哪一件事、由谁来做。不需要守护进程，也不需要网络。",
        "options": {},
    },
}
OPTIONS: Mapping[str, str] = {
    "help": "显示帮助并退出",
    "lang": "语言；默认按系统区域设置，否则中文",
    "run_dir": "守护进程的运行目录（默认 /run/hall-edge）",
    "json": "每行一个 JSON 对象",
    "codes": "代码，如 SER-104",
    "code": "代码，如 SER-104",
}
_USAGE = {"2": "参数不对", "130": "被 Ctrl-C 中止"}
EXITS: Mapping[str, Mapping[str, str]] = {
    "*": {"0": "完成", "1": "失败，已说明原因", **_USAGE},
    "selftest": {
        "0": "可以开窗（允许有警告；--strict 时不允许）",
        "1": "有检查失败，或保存的报告被改动",
        "2": "参数不对，或没有终端却要求 interactive",
        "3": "--run 指定的守护进程没有应答",
        "4": "当前用户无权询问守护进程",
        "5": "配置无效",
        "6": "正在自检的守护进程太久没有消息",
        "7": "已有别人在自检，并说明是谁",
        "130": "被 Ctrl-C 中止",
        "--nagios": "0 正常，1 有警告，2 有失败，3 无法检查",
    },
    "status": {"0": "设备都可用，不需要人处理", "1": "有设备不可用，或需要人处理", **_USAGE, "3": "守护进程没有应答"},
    "watch": {"0": "守护进程已退出", "1": "失败，已说明原因", **_USAGE, "3": "守护进程没有应答"},
}
FILES: Mapping[str, str] = {
    "/etc/hall-edge/hall-edge.toml": "配置文件，见 hall-edge.toml(5)",
    "/var/lib/hall-edge": "本机存储等需要长期保留的数据，其他程序不要打开",
    "/run/hall-edge/control.sock": "守护进程的套接字：root、服务用户和 hall-edge 组可以使用",
}
ENVIRONMENT: Mapping[str, str] = {
    "LC_ALL, LC_MESSAGES, LANG": "没有 --lang 时的语言：其中第一个已设置的以 en 开头则为英文，否则中文",
    "NO_COLOR": "已设置且不为空时不用颜色",
    "COLUMNS": "输出不是终端时的行宽",
    "RUNTIME_DIRECTORY": "没有 --run 时守护进程的运行目录",
}
