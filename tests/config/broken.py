"""The corpus of broken configurations: what was changed in the good one, and what must be said about it.

``#!`` in the new text marks the line that must be named (to TOML it is a comment).
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.config.conftest import GOOD

HALL = 'hall = "songjiang-district"'
WINDOW = 'window = "w03"'
URL = 'url = "mqtts://broker.hall.example:8883"'
TLS = 'ca = "@/ca.pem"\ncertificate = "@/window.pem"\nkey = "@/window.key"\n'
CERTIFICATE = 'certificate = "@/window.pem"'
KEY = 'key = "@/window.key"'
LEVEL = 'level = "info"'
JWK = 'key = "@/case.jwk"'
ADDRESS = 'address = "serial:///dev/hall-edge/id-card?baud=115200"'
TCP = 'address = "tcp://127.0.0.1:4001"'
PURPOSE = 'purpose = "acceptance of applications"'
TIMEOUT = "timeout_s = 30"
ONE_DEVICE = GOOD[: GOOD.index("[[subscriber]]")] + GOOD[GOOD.rindex("[[device]]") :]
MANY_DEVICES = "".join(f'[[device]]\nname = "d-{n}"\ndriver = "pad"\naddress = "tcp://h:{n}"\n' for n in range(1, 64))
MANY_SUBSCRIBERS = "".join(f'[[subscriber]]\nname = "s-{n}"\n' for n in range(16))


@dataclass(frozen=True)
class Broken:
    """One broken configuration; *says* are parts of the one line that is printed."""

    name: str
    text: str
    code: str
    line: int
    says: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def broken(name: str, code: str, old: str, new: str, *says: str, line: int = 0) -> Broken:
    """Return the good configuration with *new* in the place of *old* (at the end, when that is empty)."""
    assert GOOD.count(old or "[window]") == 1, name
    text = GOOD.replace(old, new) if old else GOOD + new
    marked = [number for number, content in enumerate(text.split("\n"), 1) if "#!" in content]
    assert len(marked) + bool(line) == 1, name
    return Broken(name, text, code, line or marked[0], says)


def setting(name: str, code: str, lines: str, *says: str) -> Broken:
    """Return a configuration whose device has the settings *lines* too."""
    return broken(name, code, PURPOSE, f"{PURPOSE}\n{lines}", *says)


def keyed(name: str, file: str, code: str, *says: str) -> Broken:
    """Return a configuration whose subscriber has another key file."""
    return broken(name, code, JWK, f'key = "{file}" #!', *says)


def at(name: str, code: str, address: str, *says: str) -> Broken:
    """Return a configuration with another address."""
    return broken(name, code, ADDRESS, f'address = "{address}" #!', *says)


def url(name: str, code: str, address: str, *says: str) -> Broken:
    """Return a configuration with another broker URL."""
    return broken(name, code, URL, f'url = "{address}" #!', *says)


def driver(name: str, code: str, wanted: str, *says: str) -> Broken:
    """Return a configuration whose second device has another driver."""
    return broken(name, code, 'driver = "pad"', f'driver = "{wanted}" #!', *says)


NOT_TOML = [
    broken("no-quotes", "CFG-103", WINDOW, "window = w03 #!", "Invalid value", "stands in quotes"),
    broken("open-quote", "CFG-103", WINDOW, 'window = "w03 #!', "Illegal character"),
    broken("open-bracket", "CFG-103", "[log]", "[log #!", "Expected ']'"),
    broken("two-values", "CFG-103", LEVEL, 'level = "info" "text" #!', "Expected newline"),
    broken("key-twice", "CFG-103", WINDOW, f'{WINDOW}\nwindow = "w04" #!', "Cannot overwrite a value"),
    broken("table-twice", "CFG-103", "[log]", "[window] #!\n[log]", "Cannot declare"),
    broken("array-and-table", "CFG-103", "", '[device] #!\nname = "x"\n', "Cannot declare"),
    broken("no-equals", "CFG-103", WINDOW, 'window "w03" #!', "Expected '='"),
    broken("colon", "CFG-103", WINDOW, 'window: "w03" #!', "Expected '='"),
    broken("backslash", "CFG-103", ADDRESS, r'address = "C:\dev\card" #!', "Unescaped"),
    broken("octal", "CFG-103", TIMEOUT, "timeout_s = 030 #!", "Expected newline"),
    broken("bad-date", "CFG-103", TIMEOUT, "timeout_s = 2024-02-30 #!", "Invalid date"),
    broken("end-of-file", "CFG-103", TIMEOUT, 'timeout_s = """', "Unterminated", line=30),
    broken("huge-number", "CFG-103", TIMEOUT, f"timeout_s = {'9' * 5000}", "integer string conversion", line=1),
    broken("deep-array", "CFG-103", TIMEOUT, f"timeout_s = {'[' * 20_000}", "no TOML", line=1),
    broken("deep-header", "CFG-103", "", f"[device.{'a.' * 500}b]\n", "tables in tables", line=1),
]

KEYS = [
    broken("unknown-table", "CFG-110", "", "[loging] #!\n", 'unknown key "loging"', 'did you mean "log"'),
    broken("plural", "CFG-110", "", '[[devices]] #!\nname = "x"\n', 'did you mean "device"'),
    broken("before-all", "CFG-110", "[window]", "lab = true #!\n[window]", 'unknown key "lab"'),
    broken("window-key", "CFG-110", WINDOW, f"{WINDOW}\nlabs = true #!", 'did you mean "lab"'),
    broken("upper-case", "CFG-110", LEVEL, f'{LEVEL}\nFormat = "json" #!', 'did you mean "format"'),
    broken("password", "CFG-110", URL, f'{URL}\npassword = "hunter2" #!', 'did you mean "password_file"'),
    broken("quoted-key", "CFG-110", LEVEL, f'{LEVEL}\n"a\\nb" = 1 #!', r'unknown key "a\u000ab"', "delete it"),
    broken("very-long-key", "CFG-110", LEVEL, f"{LEVEL}\n{'k' * 5000} = 1 #!", f'"{"k" * 60}…"'),
    broken(
        "no-window-table",
        "CFG-111",
        f"[window]\n{HALL}\n{WINDOW}\n",
        "#!",
        "[window] is missing",
        "add [window]: a table with hall, window",
    ),
    broken("no-mqtt-table", "CFG-111", f"[mqtt]\n{URL}\n{TLS}", "", "[mqtt] is missing", "a table with url", line=1),
    broken("no-hall", "CFG-111", f"[window]\n{HALL}", "[window] #!", "hall is missing", "1 to 32 of a-z"),
    broken("no-url", "CFG-111", f"[mqtt]\n{URL}", "[mqtt] #!", "url is missing", "add url: a text"),
    broken(
        "no-subscriber-name", "CFG-111", '[[subscriber]]\nname = "case-system"', "[[subscriber]] #!", "name is missing"
    ),
    broken("no-device-name", "CFG-111", '[[device]]\nname = "pad-1"', "[[device]] #!", "name is missing"),
    broken("no-driver", "CFG-111", 'name = "pad-1"\ndriver = "pad"', 'name = "pad-1"', "driver is missing", line=26),
    broken("no-address", "CFG-111", f"\n{TCP}", "", "address is missing", line=26),
    broken("certificate-alone", "CFG-115", f"{CERTIFICATE}\n{KEY}", f"{CERTIFICATE} #!", "without key", "add key"),
    broken("key-alone", "CFG-115", f"{CERTIFICATE}\n{KEY}", f"{KEY} #!", "without certificate", "add certificate"),
    broken("password-alone", "CFG-115", URL, f'{URL}\npassword_file = "@/password" #!', "without username"),
    broken("name-twice", "CFG-114", 'name = "pad-1"', 'name = "id-1" #!', 'name "id-1" is already used in line 19'),
    broken("subscriber-twice", "CFG-114", "", '[[subscriber]]\nname = "case-system" #!\n', "already used in line 15"),
]

VALUES = [
    broken("hall-upper-case", "CFG-113", HALL, 'hall = "Songjiang" #!', "1 to 32 of a-z", 'the text "Songjiang"'),
    broken("hall-chinese", "CFG-113", HALL, 'hall = "松江区" #!', 'got the text "松江区"'),
    broken("hall-empty", "CFG-113", HALL, 'hall = "" #!', 'got the text ""'),
    broken("hall-slash", "CFG-113", HALL, 'hall = "a/b" #!', 'got the text "a/b"'),
    broken("hall-wildcard", "CFG-113", HALL, 'hall = "#" #!', 'got the text "#"'),
    broken("hall-newline", "CFG-113", HALL, 'hall = "a\\n" #!', r'got the text "a\u000a"'),
    broken("hall-long", "CFG-113", HALL, f'hall = "{"a" * 900}" #!', f'"{"a" * 60}…"'),
    broken(
        "window-number", "CFG-112", WINDOW, "window = 3 #!", "expected a text", "the number 3", "write it in quotes"
    ),
    broken("window-array", "CFG-112", "[window]", "[[window]] #!", "got a list", "single brackets: [window]"),
    broken("lab-text", "CFG-112", WINDOW, f'{WINDOW}\nlab = "true" #!', "expected true or false", "without quotes"),
    broken("lab-number", "CFG-112", WINDOW, f"{WINDOW}\nlab = 1 #!", "got the number 1"),
    broken("lab-dotted", "CFG-112", WINDOW, f"{WINDOW}\nlab.on = true #!", "expected true or false, got a table"),
    broken("allow-text", "CFG-112", WINDOW, f'{WINDOW}\nallow_drivers = "acme" #!', "expected a list, entries: a text"),
    broken("allow-number", "CFG-112", WINDOW, f"{WINDOW}\nallow_drivers = [\n  'a',\n  1 #!\n]", "got the number 1"),
    broken("state-relative", "CFG-113", "[log]", '[paths]\nstate = "var" #!\n[log]', "an absolute path"),
    broken("run-too-long", "CFG-113", "[log]", f'[paths]\nrun = "/{"r" * 81}" #!\n[log]', "at most 80 characters"),
    broken(
        "keepalive-zero", "CFG-113", URL, f"{URL}\nkeepalive_s = 0 #!", "a whole number between 1 and 300", "number 0"
    ),
    broken("keepalive-text", "CFG-112", URL, f'{URL}\nkeepalive_s = "5" #!', 'the text "5"', "without quotes"),
    broken("keepalive-float", "CFG-112", URL, f"{URL}\nkeepalive_s = 5.5 #!", "the number 5.5"),
    broken("in-flight", "CFG-113", URL, f"{URL}\nwindow = 2001 #!", "between 1 and 2000, got the number 2001"),
    broken("enormous", "CFG-113", URL, f"{URL}\nwindow = 0x{'f' * 9000} #!", "got a number beyond all bounds"),
    broken("username-empty", "CFG-113", URL, f'{URL}\nusername = "" #!', "of length between 1 and 256"),
    broken("no-blobs", "CFG-113", "[log]", "[blobs]\nmax_mb = 0 #!\n[log]", "between 1 and 1000000", "number 0"),
    broken("no-outbox", "CFG-113", "[log]", "[outbox]\nreserve_mb = 0 #!\n[log]", "between 1 and 1000000", "number 0"),
    broken("outbox-key", "CFG-110", "[log]", "[outbox]\nmax_mbyte = 5 #!\n[log]", 'did you mean "max_mb"'),
    broken("retention", "CFG-113", "[log]", "[retention]\nsensitive_hours = 721 #!\n[log]", "between 1 and 720"),
    broken("retention-key", "CFG-110", "[log]", "[retention]\npublic_day = 5 #!\n[log]", 'mean "public_days"'),
    broken("blobs-key", "CFG-110", "[log]", "[blobs]\nreserv_mb = 5 #!\n[log]", 'did you mean "reserve_mb"'),
    broken("level", "CFG-113", LEVEL, 'level = "warn" #!', 'one of "error", "warning"', 'did you mean "warning"'),
    broken("level-number", "CFG-112", LEVEL, "level = 10 #!", "got the number 10"),
    broken("format", "CFG-113", LEVEL, 'format = "jsn" #!', 'did you mean "json"'),
    Broken("log-text", 'log = "info"\n' + GOOD.replace(f"[log]\n{LEVEL}\n", ""), "CFG-112", 1, ("expected a table",)),
    Broken(
        "device-single",
        ONE_DEVICE.replace("[[device]]", "[device]"),
        "CFG-112",
        14,
        ("a list", "double brackets: [[device]]"),
    ),
    broken("hall-system", "CFG-113", HALL, 'hall = "system" #!', "but not system or bridge"),
    broken("device-name-window", "CFG-113", 'name = "pad-1"', 'name = "window" #!', "but not window"),
    broken("device-name-space", "CFG-113", 'name = "pad-1"', 'name = "pad 1" #!', 'got the text "pad 1"'),
    broken("mode", "CFG-113", TIMEOUT, 'mode = "simulate" #!', 'did you mean "simulated"'),
    broken("enabled", "CFG-112", TIMEOUT, 'enabled = "no" #!', "expected true or false"),
    broken("driver-list", "CFG-112", 'driver = "pad"', 'driver = ["pad"] #!', "expected a text, got a list of 1"),
    broken(
        "65-devices", "CFG-113", "", MANY_DEVICES, "device: expected a list", "at most 64", "got a list of 65", line=18
    ),
    broken("17-subscribers", "CFG-113", "", MANY_SUBSCRIBERS, "subscriber: expected a list", "at most 16", line=14),
]

SETTINGS = [
    setting("unknown-setting", "CFG-110", "retrys = 1 #!", 'unknown key "retrys"', 'did you mean "retries"'),
    setting("setting-like-a-common-key", "CFG-110", "adress = 1 #!", 'did you mean "address"'),
    setting(
        "no-number", "CFG-112", 'retries = "x" #!', 'a whole number at least 0, got the text "x"', "correct the value"
    ),
    setting("negative", "CFG-113", "retries = -1 #!", "got the number -1"),
    setting("no-digits", "CFG-113", 'serial = "12a" #!', "a text matching ^[0-9]+$"),
    setting("no-choice", "CFG-113", 'lamp = { colour = "rod" } #!', "colour: expected one of", 'did you mean "red"'),
    setting(
        "in-a-table",
        "CFG-112",
        'lamp.colour = "red"\nlamp.blink_s = "fast" #!',
        "blink_s: expected a number above 0, at most 2",
    ),
    setting("key-in-a-table", "CFG-110", 'lamp = { colour = "red", on = true } #!', 'unknown key "on"'),
    setting("nothing-in-a-table", "CFG-111", "lamp = {} #!", "colour is missing", 'one of "red", "green"'),
    setting("in-a-list", "CFG-113", 'lamps = [\n{ colour = "red" },\n{ colour = "blue" }, #!\n]', 'the text "blue"'),
    setting("in-a-map", "CFG-113", "levels.good = 5\nlevels.best = 6 #!", "best: expected", "between 1 and 5"),
    setting("pair", "CFG-112", 'pair = ["x", 1] #!', "got a list"),
    setting("of-two-types", "CFG-112", "size = true #!", 'expected a whole number or one of "auto"'),
    setting("number-for-a-time", "CFG-112", "opens = 8 #!", "opens: expected a value of type", "got the number 8"),
    setting("time-for-a-number", "CFG-112", "retries = 08:30:00 #!", "got a date or time"),
    broken("struct-refuses", "CFG-113", PURPOSE, "retries = 13", "thirteen is unlucky", line=18),
    setting("secret-is-not-shown", "CFG-113", 'password = "correct horse" #!', "got a value that is not shown"),
    broken(
        "too-many",
        "CFG-113",
        'fields = ["name", "number"]',
        'fields = ["name", "name", "name", "name"] #!',
        "at most 3",
    ),
    broken(
        "wrong-item", "CFG-113", '["name", "number"]', '["name", "nmae"] #!', "fields: expected", 'did you mean "name"'
    ),
    broken("driver-refuses", "CFG-124", 'fields = ["name", "number"]', "fields = [] #!", "needs a list of them"),
    broken(
        "driver-refuses-what-is-not-there",
        "CFG-124",
        f'read = "fields"\nfields = ["name", "number"]\n{PURPOSE}',
        'read = "full"',
        'read = "full" needs one',
        line=18,
    ),
    broken("range-at-its-end", "CFG-113", TIMEOUT, "timeout_s = 181 #!", "between 3 and 180, got the number 181"),
]

DRIVERS = [
    driver("unknown", "CFG-120", "pda", 'unknown driver "pda"', 'did you mean "pad"'),
    driver("far-off", "CFG-120", "quantum", "use one of: bad_check, card"),
    driver("helper", "CFG-120", "_helper", 'unknown driver "_helper"'),
    driver("path", "CFG-120", "../../os", 'unknown driver "../../os"'),
    driver("module", "CFG-120", "os.path", 'unknown driver "os.path"'),
    driver("empty-name", "CFG-120", "", 'unknown driver ""'),
    driver(
        "missing-package",
        "CFG-122",
        "no_package",
        "missing package smartcard_of_nobody",
        "pip install smartcard_of_nobody",
    ),
    driver("known-package", "CFG-122", "no_camera", "apt install python3-opencv", "pip install opencv-python-headless"),
    driver("other-core", "CFG-123", "wrong_core", "cannot be imported: ModuleNotFoundError"),
    driver("crash", "CFG-123", "crash", r'RuntimeError: "a\u000aba\u000a'),
    driver("exit", "CFG-123", "leaves", "cannot be imported: SystemExit"),
    driver("no-driver-class", "CFG-123", "empty", "defines 0 drivers instead of one"),
    driver("two-classes", "CFG-123", "two", "defines 2 drivers"),
    driver("no-settings-type", "CFG-123", "no_settings", "names no settings_type"),
    broken(
        "own-check-fails",
        "CFG-123",
        f'driver = "pad"\n{TCP}\n{TIMEOUT}',
        f'driver = "bad_check" #!\n{TCP}',
        "check of its settings fails: KeyError",
        "call the driver's author",
    ),
]
