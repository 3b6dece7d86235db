"""What ``hall-edge discover`` says, in Chinese and English."""

from __future__ import annotations

import os
from collections.abc import Mapping

TEXTS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "title": "已插入的设备  主机 {host}  {time}",
        "configured": "{title}：已配置为 {names}",
        "new": "{title}：新设备，配置见下",
        "ask": "{title}：不能确定是什么设备，候选配置见下",
        "unknown": "{title}：没有适用的驱动，不会被使用",
        "several": "{subject} 的地址同时符合多台设备（{detail}）：请在地址中加 ?port=… 或 ?serial=… 指明一台",
        "missing": "驱动 {subject} 未参与查找：缺少软件包（hall-edge check 说明安装方法，代码 {detail}）",
        "broken-driver": "驱动 {subject} 出错（{detail}），未参与查找：请联系该驱动的作者",
        "bad-offer": "驱动 {subject} 给出的配置无效（{detail}），已略去：请联系该驱动的作者",
        "not-searched": "驱动 {subject} 的设备不在 USB 上，未查找：加 --network 查找网络设备",
        "search-hung": "驱动 {subject} 的查找 {detail} 秒内没有结束，已中止：请检查它的设备或服务后重试",
        "search-failed": "驱动 {subject} 的查找失败：请检查它的设备或服务后重试",
        "no-config": "配置文件 {subject} 不可用（{detail}）：无法判断哪些设备已配置",
        "none": "没有找到任何设备：请检查电缆和电源，网络设备请加 --network",
        "searching": "正在查找：{subject}",
        "paste": "粘贴到配置文件（默认 /etc/hall-edge/hall-edge.toml），然后运行 hall-edge check：",
        "choose": "不能确定：去掉其中一组的 # 号",
        "count": "已配置 {configured}，新设备 {new}，待确认 {ask}，未知 {unknown}",
    },
    "en": {
        "title": "plugged in  host {host}  {time}",
        "configured": "{title}: configured as {names}",
        "new": "{title}: new, its configuration is below",
        "ask": "{title}: cannot be told for sure, the candidates are below",
        "unknown": "{title}: no driver fits, it is not used",
        "several": "the address of {subject} fits several devices ({detail}): add ?port=… or ?serial=… to name one",
        "missing": "driver {subject} was left out: a package is missing (hall-edge check says which, code {detail})",
        "broken-driver": "driver {subject} failed ({detail}) and was left out: call the driver's author",
        "bad-offer": "driver {subject} offers an invalid configuration ({detail}), left out: call the driver's author",
        "not-searched": "devices of driver {subject} were not searched for: add --network to search the network",
        "search-hung": "the search of driver {subject} did not end within {detail} s: check its device or service",
        "search-failed": "the search of driver {subject} failed: check its device or service",
        "no-config": "{subject} cannot be used ({detail}): what is configured already is not known",
        "none": "nothing was found: check cables and power; for devices on the network add --network",
        "searching": "searching: {subject}",
        "paste": "paste into the configuration (usually /etc/hall-edge/hall-edge.toml), then run hall-edge check:",
        "choose": "not sure: take the # from one of these",
        "count": "{configured} configured, {new} new, {ask} to be chosen, {unknown} unknown",
    },
}


def language(environ: Mapping[str, str] = os.environ) -> str:
    """Return ``en`` where the locale is English, else ``zh``."""
    locale = next((text for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (text := environ.get(name))), "")
    return "en" if locale.lower().startswith("en") else "zh"
