"""A configuration in a bundle: every key is there, no secret is; and the same files make the same bytes."""

from __future__ import annotations

import random
import tomllib

from edge.tools.bundle.mask import keyed, masked_config, masked_text
from edge.tools.bundle.pack import packed

CONFIG = """
[window]
hall = "hall-1"
window = "w03"

[mqtt]
url = "mqtts://w03:geheim77@broker.example:8883"
ca = "/etc/hall-edge/geheim77/ca.pem"
username = "geheim77"
password_file = "/etc/hall-edge/geheim77"
keepalive_s = 5

[[subscriber]]
name = "case-system"
key = "/etc/hall-edge/geheim77.jwk"

[[device]]
name = "id-1"
driver = "idcard_sdt"
address = "usb:0400:c35a?serial=geheim77&port=1-1"
read = "fields"
fields = ["name", "number"]
purpose = "geheim77"

[[device]]
name = "cam-1"
driver = "camera_uvc"
address = "rtsp://admin:geheim77@192.0.2.7/stream"

[[device]]
name = "pad-1"
driver = "pad_serial"
address = "serial:///dev/hall-edge/pad?baud=9600"
profile = "/home/geheim77/ours.toml"
pin = "geheim77"

[[device]]
name = "rec-1"
driver = "code_serial"
address = "replay:///home/geheim77/a.rec"
prefix = "geheim77 %&"
"""


def test_every_key_is_there_and_no_secret() -> None:
    text = masked_config(CONFIG, keyed("a key"))
    assert "geheim77" not in text
    shown, plain = tomllib.loads(text), tomllib.loads(CONFIG)
    assert shown.keys() == plain.keys()
    assert [one.keys() for one in shown["device"]] == [one.keys() for one in plain["device"]]
    assert shown["window"] == plain["window"]
    assert shown["mqtt"]["url"] == "mqtts://***@broker.example:8883"
    assert shown["device"][0]["fields"] == ["name", "number"]
    assert shown["device"][2]["address"] == plain["device"][2]["address"]


def test_a_serial_number_is_told_apart_and_not_told() -> None:
    digest = keyed("a key")
    one, other = (masked_text(f"usb:0400:c35a?serial={serial}", digest) for serial in ("A1", "A2"))
    assert one == masked_text("usb:0400:c35a?serial=A1", digest) != other
    assert one != masked_text("usb:0400:c35a?serial=A1", keyed("another PC"))
    assert "A1" not in one


def test_the_same_files_make_the_same_bytes() -> None:
    files = {"b.txt": b"two", "a.txt": b"one"}
    again = dict(random.Random(1).sample(sorted(files.items()), 2))
    assert packed(files) == packed(again) != packed({**files, "a.txt": b"another"})
