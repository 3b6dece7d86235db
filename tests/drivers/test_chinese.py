"""What the running drivers say at a hall's counter, brought about with the simulators, and what a technician reads.

That each of these is told in Chinese word for word, with its own action, is seen to by the fixture ``raised``, here
and in every other test of this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import EdgeError
from edge.messages import catalogue, remedy, sentence
from tests.drivers import camera_rig, escl_rig, idcard_rig, test_pad_fakes
from tests.drivers.camera_rig import CameraRig
from tests.drivers.card_rig import Simulator, Window
from tests.drivers.test_escl_open import page_of, speaker

AREAS = ("CAM", "ESC", "IDC", "PAD", "PCS", "SAN", "SCN")


def told(work: Callable[[], object]) -> str:
    """Return what is read on the screen when *work* fails."""
    with pytest.raises(EdgeError) as caught:
        work()
    error = caught.value
    return f"{error.code} {sentence(error.code, error.message, 'zh')}。{remedy(error.code, error.action, 'zh')}"


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("mute", "IDC-101 身份证阅读器在各个波特率下都没有应答。看阅读器电源灯是否亮、线是否插在配置的那个口上"),
        (
            "replace 81 times=100",
            "IDC-102 应答的不是身份证阅读器（SDT 协议）。把阅读器的线插回自己的口：这个口上现在是别的设备",
        ),
        ("truncate 0 answer=12FF times=9", "IDC-103 身份证阅读器不再应答。把阅读器拔下再插上"),
        (
            "truncate 9 answer=12FF times=9",
            "IDC-104 身份证阅读器的应答传到本机时已损坏。去掉延长线，把阅读器直接插在本机上",
        ),
        ("status 10 times=3", "IDC-110 身份证阅读器报告：收到的指令校验和不对。去掉延长线，把阅读器直接插在本机上"),
        ("status 11 times=3", "IDC-111 身份证阅读器报告：收到的指令长度不对。去掉延长线，把阅读器直接插在本机上"),
        ("selftest-bad 60", "IDC-160 身份证阅读器的安全模块自检失败，不接受指令。换一台阅读器"),
        ("selftest-bad 66", "IDC-166 身份证阅读器的安全模块未授权。联系供应商给阅读器的安全模块授权"),
    ],
)
def test_an_id_card_reader(line: str, seen: str) -> None:
    rig = idcard_rig.Rig()
    rig.do(line)
    assert told(idcard_rig.unopened(rig).open) == seen


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("stop",), "PCS-101 读卡服务 pcscd 没有运行：没有 "),
        (("stop stale=1",), "PCS-101 读卡服务 pcscd 没有应答。"),
        (("deny",), "PCS-102 读卡服务 pcscd 不允许本程序使用。"),
        (("reader unplug",), "PCS-103 读卡服务里没有这台读卡器。插好读卡器的 USB 线"),
        (("hold",), "PCS-109 读卡器被"),
    ],
)
@pytest.mark.usefixtures("_impatient")
def test_a_smart_card_reader(service: Simulator, window: Window, lines: tuple[str, ...], code: str) -> None:
    service.do(*lines)
    assert told(window.open).startswith(code)


def test_a_network_camera(tmp_path: Path) -> None:
    with camera_rig.unopened(tmp_path) as rig:
        where = rig.address.partition("?")[0]
        for status, seen in {
            401: f"CAM-112 {where} 上的高拍仪拒绝本机访问（HTTP 401）。在高拍仪设置里允许本机免密码查看",
            503: f"CAM-113 {where} 上的高拍仪正被别人使用（HTTP 503）。关闭正在看这台高拍仪的其他程序",
            404: f"CAM-109 {where} 返回的是 HTTP 404，不是 MJPEG 画面。改正地址里的路径，说明书上有 MJPEG 视频流的路径",
        }.items():
            rig.do(f"refuse {status}")
            assert told(rig.driver.open) == seen
        rig.do("unplug")
        assert told(rig.driver.open) == f"CAM-115 {where} 上没有高拍仪应答。检查高拍仪的电源和网线"
        rig.driver.close()


def test_a_camera_that_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    with camera_rig.unopened(tmp_path) as rig:
        for address, seen in {
            "v4l2:///dev/video99": "CAM-101 /dev/video99 上没有高拍仪。插好高拍仪的 USB 线",
            "v4l2:///dev/null": "CAM-106 /dev/null 不能拍照。把地址改成 hall-edge discover 里该高拍仪的地址",
            f"frames://{folder}/%d.jpg": f"CAM-116 没有 {folder}/%d.jpg 这样的图片。把图片放进该文件夹，或改正地址",
        }.items():
            assert told(CameraRig(rig.bench, {}, address).driver.open) == seen


@pytest.mark.parametrize(
    ("lines", "source", "seen"),
    [
        ("busy", "feeder", "ESC-121 扫描仪正在做别的任务。等扫描仪做完别的任务"),
        ("answer post 409 times=9", "feeder", "ESC-122 扫描仪不接受这组扫描设置。换一种纸张大小、分辨率或颜色"),
        ("stop jam page=1", "feeder", "ESC-131 扫描仪进纸器卡纸。打开进纸器盖板，取出纸道里的卡纸"),
        ("stop hatch page=1", "feeder", "ESC-132 扫描仪进纸器盖板没合上。合上进纸器盖板"),
        ("stop mispick page=1", "feeder", "ESC-134 进纸器没有搓到下一张纸。把纸抖松理齐，重新放正"),
        ("stop double-feed page=1", "feeder", "ESC-135 进纸器一次进了两张纸。把粘在一起的纸分开"),
        ("stop too-short page=1", "feeder", "ESC-136 有一张纸太短或太长，不能双面扫描。把这张纸放到玻璃板上扫"),
        ("stop tray page=1", "feeder", "ESC-137 扫描仪进纸托盘不工作。清空进纸托盘，重新装好"),
        ("stop overload page=1", "feeder", "ESC-138 进纸器里的纸太多。减少进纸器里的纸"),
        ("answer next 503 times=1000", "feeder", "ESC-142 扫描仪迟迟没有扫出下一页。在扫描仪屏幕上取消任务"),
        ("answer next 404", "platen", "ESC-143 扫描仪自己中止了任务。把剩下的页再扫一次"),
    ],
)
def test_a_scanner_at_work(tmp_path: Path, lines: str, source: str, seen: str) -> None:
    with escl_rig.rig(tmp_path, sheets=2) as one:
        one.do(lines)
        outcome = one.scan(source=source)
    assert outcome.error is not None
    assert told(lambda: raising(outcome.error)) == seen


def raising(error: EdgeError | None) -> None:
    assert error is not None
    raise error


@pytest.mark.parametrize(
    ("action", "seen"),
    [
        ("state Stopped", "ESC-139 扫描仪停下来等人处理。按扫描仪屏幕上的提示做"),
        ("state Down", "ESC-110 扫描仪报告自身故障。把扫描仪关机再开机"),
    ],
)
def test_a_scanner_that_waits(tmp_path: Path, action: str, seen: str) -> None:
    with escl_rig.scanner(tmp_path) as simulator:
        simulator.do(action)
        assert told(lambda: escl_rig.opened(simulator.address)) == seen


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "ESC-104 该地址上应答的不是 eSCL 扫描仪。把地址改成扫描仪菜单里显示的地址"),
        (page_of("<ScannerCapabilities/>"), "ESC-105 扫描仪的应答有损坏。给扫描仪升级固件"),
        (page_of("", "401 Unauthorized"), "ESC-108 扫描仪要求密码。在扫描仪菜单里允许免密码扫描"),
        (b"", "ESC-107 与扫描仪的连接断了。检查扫描仪的网线"),
    ],
)
def test_what_is_no_scanner(answer: bytes, seen: str) -> None:
    with speaker(answer) as address:
        assert told(lambda: escl_rig.opened(address)) == seen


def test_a_pad_that_does_not_take_the_question() -> None:
    desk = test_pad_fakes.Desk("addressable")
    desk.link.answers = lambda _: None
    assert told(lambda: list(desk.start())) == "PAD-101 评价器没有按时响应评价请求。把评价器拔下再插上"


@pytest.mark.parametrize("name", test_pad_fakes.PADS)
def test_another_device_at_a_pads_address(name: str) -> None:
    """It is told apart from noise before a pad's first word, and from a pad that has said something once."""
    desk = test_pad_fakes.Desk(name)
    noise = bytes(range(0x61, 0x7B)) * 8
    desk.link.say(noise, 0.0)
    for _ in range(20):
        assert desk.poll(0.1) == []
    desk.link.say(noise, 0.0)

    def listen() -> None:
        for _ in range(20):
            desk.poll(0.1)

    assert told(listen).startswith("PAD-109 评价器地址上发来的数据，评价器配置一条也不认识。把评价器的线插回")
    known = test_pad_fakes.Desk(name)
    known.rate(4)
    known.link.say(noise * 4, 0.0)
    for _ in range(40):
        assert known.poll(0.1) == []


@pytest.mark.parametrize("area", AREAS)
def test_no_two_states_of_a_driver_are_told_alike(area: str) -> None:
    every = catalogue(foreign=False)
    titles = [every[code].zh.title for code in every if code.startswith(area)]
    assert titles
    assert len(set(titles)) == len(titles)
