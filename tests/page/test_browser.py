"""The page in a real Chromium, with windows of all sorts. What a whole daemon shows is in test_window.py."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from edge.health import stamp
from tests.page.chromium import Chromium
from tests.page.rig import Told

FRESH = "document.body.className === '' && document.getElementById('as-of').textContent !== ''"
SIZES = [(1024, 768, False), (360, 740, True), (1920, 1080, False)]
ABSENT = {
    "state": "absent", "last_proven": None, "code": "SER-105", "reason": "/dev/hall-edge/pad went away (unplugged)",
    "action": "plug the device in again and check its cable",
}  # fmt: skip
NOT_CONNECTED = {
    "code": "SYS-140",
    "message": "not connected to the broker yet",
    "action": "wait",
    "level": "attention",
}
CLOCK = {"code": "SYS-145", "message": "the clock is not kept by a time service", "action": "do", "level": "notice"}
PAYLOADS = [
    "<img src=x onerror=alert(1)>",
    "</p><script>alert(1)</script>",
    "javascript:alert(1)//\"'><svg onload=alert(1)>",
    "{text} {code} ${1+1} {{constructor.constructor('alert(1)')()}}",
    "\u202eevil\u2066 \u0000\u001b[31m\r\n\t\ufeff",
    "A" * 4000,
    "字" * 1500,
]


def show(tab: Chromium, told: Told, lang: str = "zh") -> None:
    tab.open("about:blank")
    tab.open(f"{told.url}#{lang}")
    tab.until(FRESH, what="the page shows the window")


def break_it(told: Told) -> None:
    """Make two devices and the connection fail."""
    told.shown["devices"]["pad-1"] |= ABSENT
    told.shown["devices"]["cam-1"] |= ABSENT | {
        "code": "CAM-110",
        "reason": "the picture is dark",
        "state": "attention",
    }
    told.shown["health"]["problems"] = [NOT_CONNECTED, CLOCK]
    told.shown["health"]["link"] = {"state": "down", "connects": 1, "unheard": 0, "code": "MQT-110"}
    told.shown["health"]["ladder"] |= {"brokered": "1200", "confirmed": "1150"}


def test_it_speaks_both_languages_and_remembers_which(tab: Chromium, told: Told) -> None:
    told.shown["lab"] = True
    tab.open(told.url)
    tab.until(FRESH)
    assert tab.run("document.documentElement.lang") == "zh-CN"
    chinese = tab.text()
    assert "窗口 w03（songjiang-district）" in chinese
    assert tab.text("#headline") == "一切正常"
    tab.run("document.querySelector('[data-lang=en]').click()")
    english = tab.text()
    assert tab.text("#headline") == "all is well"
    assert not re.findall(r"[\u4e00-\u9fff]", english.replace("中文", ""))
    tab.tell("Page.reload")
    tab.until(f"{FRESH} && document.documentElement.lang === 'en'")
    assert tab.run("document.querySelector('[data-lang=en]').getAttribute('aria-pressed')") == "true"
    tab.run("document.querySelector('[data-lang=zh]').click()")
    assert tab.text("#headline") == "一切正常"
    for text in (chinese, english):
        assert not re.search(r"undefined|NaN|null|[{}]|Invalid", text)


def test_all_of_the_window_is_on_it(tab: Chromium, told: Told) -> None:
    told.shown["lab"] = True
    told.shown["devices"]["scan-1"]["last_proven"] = stamp(4000)
    show(tab, told)
    assert "试验模式" in tab.text("#lab")
    rows = tab.run("[...document.querySelectorAll('tr.device')].map((row) => row.innerText.split('\\t'))")
    assert [row[:3] for row in rows[:2]] == [["id-1", "身份证阅读器", "正常"], ["card-1", "读卡器", "正常"]]
    assert re.fullmatch(r"\d+ 秒前|刚刚", rows[0][3])
    assert rows[3][3] == "66 分钟前"
    ladder = tab.run("[...document.querySelectorAll('#ladder li')].map((rung) => rung.innerText.split('\\n'))")
    assert ladder == [["已保存", "1284"], ["已发送", "1284"], ["服务器已收", "1284"], ["后台已确认", "1282", "差 2"]]
    assert tab.text("#link").startswith("消息服务器：已连接 · 本机待确认 2 条，最早 3 秒前 · 磁盘可用 41 GB")
    assert re.match(
        r"后台系统\s+已确认到\s+待确认\s+最近确认\s+case-system\s+1282\s+2\s+\d+ 秒前", tab.text("#subscribers")
    )
    assert tab.text("#privacy") == "隐私：今天完整读取证件 23 次；本机存有含个人信息的记录 2 条，最早一条已存 3 秒"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_one_problem_is_on_top_with_its_action_and_the_others_below(tab: Chromium, told: Told, lang: str) -> None:
    break_it(told)
    show(tab, told, lang)
    seen, *rest = tab.text("#headline").split("\n")
    assert seen.startswith("CAM-110 cam-1 · ")
    action, by = ("处理：", "另有 3 个问题") if lang == "zh" else ("action: ", "3 more")
    assert any(line.startswith(action) for line in rest)
    assert by in rest[-1]
    trouble = tab.run("document.querySelector('#more-pad-1').previousSibling.innerText")
    assert trouble.startswith("SER-105 ")
    assert action in trouble
    problems = tab.run("[...document.querySelectorAll('#problems li')].map((one) => one.innerText.slice(0, 7))")
    assert problems == ["SYS-140", "SYS-145"]
    assert "MQT-110" in tab.text("#link")


def test_what_is_old_is_grey_and_says_so_until_there_is_news(tab: Chromium, told: Told) -> None:
    show(tab, told)
    told.error = OSError("no answer")
    tab.run("window.later += 8000; document.dispatchEvent(new Event('visibilitychange'))")
    assert tab.run("document.body.className") == ""
    tab.run("window.later += 2500; document.dispatchEvent(new Event('visibilitychange'))")
    assert tab.run("document.body.className") == "old"
    assert re.match(r"已过时：1\d 秒没有收到本机服务的状态", tab.text("#old"))
    assert float(tab.run("getComputedStyle(document.querySelector('main')).opacity")) < 0.6
    assert "grayscale" in tab.run("getComputedStyle(document.querySelector('footer')).filter")
    told.error = None
    tab.until(FRESH)
    assert tab.run("document.getElementById('old').hidden") is True
    assert all("503" in one for one in tab.complaints)
    tab.complaints.clear()


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_texts_are_shown_as_they_are(tab: Chromium, told: Told, payload: str) -> None:
    shown = told.shown
    shown["devices"]["pad-1"] |= {"state": "fault", "reason": payload, "action": payload, "code": "ACM-101"}
    shown["devices"]["pad-1"] |= {"model": payload, "firmware": payload, "driver": payload, "mode": payload}
    shown["devices"]["cam-1"] |= {"kind": payload, "state": payload}
    shown["health"]["subscribers"] = {payload: {"upto_seq": "1", "acked": payload}, "__proto__": {"upto_seq": "2"}}
    shown["health"]["problems"] = [{"code": payload, "message": payload, "action": payload, "level": payload}]
    shown["health"]["link"]["code"] = payload
    shown |= {"hall": payload, "window": payload}
    show(tab, told)
    tab.run("document.querySelectorAll('#devices button').forEach((button) => button.click())")
    texts = tab.run("[...document.querySelectorAll('.trouble p, .more p, #subscribers th')].map((p) => p.textContent)")
    assert sum(payload in text for text in texts) >= 4
    strange = "img, svg, canvas, video, iframe, object, embed, a, form, script:not([src]), [onerror], [onload], [style]"
    assert tab.run(f"document.querySelectorAll({json.dumps(strange)}).length") == 0
    assert tab.run("document.scripts.length") == 3
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")


def test_a_keyboard_is_enough(tab: Chromium, told: Told) -> None:
    break_it(told)
    show(tab, told, "en")
    order = []
    for _ in range(7):
        tab.key("Tab")
        order.append(tab.run("document.activeElement.textContent"))
    assert order == ["中文", "English", "id-1", "card-1", "cam-1", "scan-1", "pad-1"]
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert tab.run("document.getElementById('more-pad-1').hidden") is True
    tab.key("Enter")
    assert "driver pad_serial · model M-1" in tab.text("#more-pad-1")
    assert tab.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    asked = told.asked
    told.shown["devices"]["pad-1"]["model"] = "M-2"
    tab.until("document.getElementById('more-pad-1').innerText.includes('M-2')")
    assert told.asked > asked
    assert tab.run("document.activeElement.textContent") == "pad-1", "news do not take the keyboard away"
    tab.key(" ")
    assert tab.run("document.getElementById('more-pad-1').hidden") is True


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_it_prints_on_one_a4(tab: Chromium, told: Told, lang: str) -> None:
    break_it(told)
    for number in range(2, 5):
        told.shown["devices"][f"gun-{number}"] = told.shown["devices"]["id-1"] | {"kind": "code-scanner"}
    told.shown["lab"] = True
    show(tab, told, lang)
    printed = tab.printed()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    (box,) = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert [round(float(side)) for side in box] == [595, 842]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_fits_every_screen(tab: Chromium, told: Told, size: tuple[int, int, bool]) -> None:
    width, height, phone = size
    tab.size(width, height, phone=phone)
    for broken in (False, True):
        if broken:
            break_it(told)
            told.shown["lab"] = True
        for lang in ("zh", "en"):
            show(tab, told, lang)
            tab.run("document.querySelectorAll('#devices button').forEach((button) => button.click())")
            assert tab.run("document.documentElement.scrollWidth") == width
            footer: dict[str, Any] = tab.run("document.getElementById('privacy').getBoundingClientRect().toJSON()")
            assert (footer["bottom"], footer["right"]) == (height, width), "the privacy line is always there"
            tab.run("scrollTo(0, document.body.scrollHeight)")
            last = tab.run("document.querySelector('main').getBoundingClientRect().bottom")
            assert last <= footer["top"], "it covers nothing"


def test_no_other_site_reads_it(tab: Chromium, told: Told) -> None:
    reads = f"fetch('{told.url}status.json').then(() => 'read', () => 'refused')"
    assert tab.run(reads) == "refused"
    assert tab.run(f"fetch('{told.url}page.js', {{mode: 'no-cors'}}).then(() => 'read', () => 'refused')") == "refused"
    show(tab, told)
    elsewhere = told.url.replace("127.0.0.1", "localhost")
    assert tab.run(f"fetch('{elsewhere}status.json').then(() => 'read', () => 'refused')") == "refused"
    tab.complaints.clear()  # the refusals


def test_a_name_that_leads_here_gets_nothing(tab: Chromium, told: Told) -> None:
    tab.open(f"http://rebound.localhost:{told.port}/")
    assert tab.text().strip() == f"this page is only at http://127.0.0.1:{told.port}/ of this PC"
    assert all("421" in one for one in tab.complaints)
    tab.open("about:blank")  # it asks for the icon, too
    tab.complaints.clear()


def test_an_updated_daemon_brings_its_own_page(tab: Chromium, told: Told) -> None:
    show(tab, told)
    tab.run("window.mark = 'before the update'")
    told.shown["version"] = "0.2.0"
    tab.until("window.mark === undefined && document.getElementById('as-of').textContent.includes('0.2.0')")
