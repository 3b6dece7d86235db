"""``hall-edge init`` as a technician sees it: five questions on a real terminal."""

from __future__ import annotations

import pytest

from edge.tools.columns import width
from tests.support.plugboard import PlugBoard, UsbDevice
from tests.tools.init_rig import GUN, Pc, terminal

READER = UsbDevice(port="1-1.2", ids="0400:c35a", tty=None, product="", maker="")
SCANNER = UsbDevice(
    port="1-1.3", ids="0c2e:0b61", serial="G3", maker="霍尼韦尔", product="扫描枪 Xenon 1950 很长很长很长的名字",
    tty="ttyACM3", interface="020201",
)  # fmt: skip
LINE = UsbDevice(port="1-1.4", ids="1a86:7523", maker="QinHeng", product="USB Serial")


def screen_fits(text: str, lines: int = 24) -> bool:
    """Return whether *text* fits one screen of 80 columns."""
    return all(width(line) <= 80 for line in text.splitlines()) and len(text.splitlines()) <= lines


def column_of(line: str, text: str) -> int:
    return width(line[: line.index(text)])


@pytest.mark.slow
def test_a_technician_answers_in_chinese(pc: Pc, plugboard: PlugBoard) -> None:
    for device in (READER, SCANNER, LINE):
        plugboard.plug(device)
    pc.name("songjiang-w03")
    pc.receive("ca.pem", "window.pem", "window.key", "case-system.jwk")
    with terminal(pc, environ={"LC_ALL": "zh_CN.UTF-8"}) as screen:
        screen.expect("大厅代号（a-z、0-9、-） [songjiang]: ")
        screen.type("")
        screen.expect("[w03]: ")
        screen.type("")
        screen.expect("消息服务器地址")
        screen.type("10.20.1.5")
        screen.expect("[/etc/hall-edge/case-system.jwk]: ")
        screen.type("")
        screen.expect("[1,2]: ")
        screen.type("")
        assert screen.end() == 0
        text = screen.text.replace(str(pc.root), "")
    assert screen_fits(text), text
    assert "\n* 1 身份证阅读器               1-1.2              0400:c35a\n" in text
    assert len({column_of(line, "1-1.") for line in text.splitlines() if " 1-1." in line}) == 1
    assert "systemctl start hall-edge" in text
    config = pc.load()
    assert (config.window.hall, config.window.window, config.window.lab) == ("songjiang", "w03", False)
    assert config.mqtt.url == "mqtts://10.20.1.5"
    assert [device.name for device in config.devices] == ["id-1", "gun-1"]
    assert [(one.name, one.key) for one in config.subscribers] == [
        ("case-system", f"{pc.root}/etc/hall-edge/case-system.jwk")
    ]
    assert "# 消息服务器\n[mqtt]\n" in pc.config.read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_wrong_answer_is_asked_again(pc: Pc, plugboard: PlugBoard) -> None:
    plugboard.plug(READER)
    plugboard.plug(LINE)
    pc.receive("private.jwk", "expired.jwk", "nonsense.jwk", "case-system.jwk", "other.jwk")
    with terminal(pc, "--lang", "en") as screen:
        for wrong in ("", "Song Jiang", "大厅", "x" * 33, "\u202ex"):
            screen.expect("Name of the hall (a-z, 0-9, -): ")
            screen.type(wrong)
        screen.expect("use a-z, 0-9 and -, at most 32")
        screen.type("Songjiang")
        screen.expect("Name of the window (as w03): ")
        screen.type("w03")
        for wrong in ("http://x", "mqtts://user:secret@x", "a b", "mqtts://x:99999"):
            screen.expect("Address of the broker")
            screen.type(wrong)
        screen.expect("write mqtts://HOST:PORT")
        screen.type("mqtts://10.20.1.5:8883")
        for wrong in ("", "/nowhere", "/etc/hall-edge/private.jwk", "/etc/hall-edge/expired.jwk",
                      "/etc/hall-edge/nonsense.jwk", "/etc/hall-edge", "/tmp/x.jwk"):  # fmt: skip  # noqa: S108
            screen.expect("Public key file")
            screen.type(wrong)
        screen.expect("install -m 0640 -g hall-edge")
        screen.type("/etc/hall-edge/case-system.jwk")
        for wrong in ("9", "x", "1,,-1", "2,3", "0,1"):
            screen.expect("Which devices?")
            screen.type(wrong)
        screen.expect("write numbers of the list")
        screen.type("1，2")
        assert screen.end() == 0
        for cause in ("the file holds a private key", "every key in the file has expired", "no public JWK",
                      "No such file or directory", "no ordinary file", "holds a user name or password"):  # fmt: skip
            assert cause in screen.text
    assert [device.name for device in pc.load().devices] == ["id-1", "gun-1"]
    assert pc.load().window.hall == "songjiang"


def test_what_does_not_go_together_is_asked_again(pc: Pc) -> None:
    """A scan gun's codes are personal by default: without a key there is nobody to seal them to."""
    pc.receive("case-system.jwk", "window.pem", "window.key", "ca.pem")
    (pc.etc / "case-system.jwk").rename(pc.etc / "case.json")
    personal = GUN.replace(" content=public", "")
    arguments = ["--hall", "songjiang", "--window", "w04", "--broker", "10.20.1.5", "--device", personal]
    with terminal(pc, "--lang", "en", *arguments) as screen:
        screen.expect("Public key file")
        screen.type("-")
        screen.expect("This does not work yet:")
        screen.expect('it names "w03.songjiang", not ')
        screen.expect("Name of the hall")
        screen.type("songjiang")
        screen.expect("Name of the window")
        screen.type("w03")
        screen.expect("Public key file")
        screen.type("/etc/hall-edge/case.json")
        assert screen.end() == 0
    assert pc.load().window.window == "w03"
    assert pc.load().devices[0].personal


def test_what_is_wrong_is_said_in_chinese(pc: Pc) -> None:
    pc.receive("private.jwk")
    with terminal(pc, "--lang", "zh", "--window", "w03", "--device", "none") as screen:
        for question, answer, said in (
            ("1/5", "松江", '不能用："松江" — 请只用小写字母'),
            ("1/5", "bridge", "这个名字另有用途"),
            ("1/5", "songjiang", ""),
            ("3/5", "mqtts://a@b", "地址里不能带用户名和口令"),
            ("3/5", "10.20.1.5", ""),
            ("4/5", "/etc/hall-edge/private.jwk", "这是私钥文件，应当用公钥文件"),
            ("4/5", "/media/usb/case.jwk", "install -m 0640 -g hall-edge /media/usb/case.jwk /etc/hall-edge/case.jwk"),
            ("4/5", "lab", "试验模式：不能用于真实业务。"),
        ):
            screen.expect(question)
            screen.type(answer)
            if said:
                screen.expect(said)
        assert screen.end() == 0
    assert pc.load().window.lab


@pytest.mark.parametrize(("key", "code"), [(b"\x03", 130), (b"\x04", 5)])
def test_who_stops_leaves_nothing(pc: Pc, key: bytes, code: int) -> None:
    before = pc.left()
    with terminal(pc, "--lang", "zh", "--hall", "h") as screen:
        screen.expect("窗口代号")
        screen.press(key)
        assert screen.end() == code
        assert "Traceback" not in screen.text
        assert ("什么都没有改" in screen.text) == (code == 130)
    assert pc.left() == before
