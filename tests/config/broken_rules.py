"""The corpus of broken configurations, continued: addresses, the broker, and files."""

from __future__ import annotations

from tests.config.broken import JWK, KEY, TCP, TLS, URL, WINDOW, Broken, at, broken, url

ADDRESSES = [
    at("bare-node", "CFG-131", "/dev/ttyUSB0", 'did you mean "serial:///dev/ttyUSB0"'),
    at("windows-port", "CFG-131", "COM3", 'no known scheme, but "COM3"', "serial://"),
    at("empty-address", "CFG-131", "", 'no known scheme, but ""'),
    at("scheme-typo", "CFG-131", "serail:///dev/ttyS0", 'did you mean "serial://"'),
    at("scheme-case", "CFG-131", "Serial:///dev/ttyS0", 'did you mean "serial://"'),
    at("camera-with-login", "CFG-131", r"rtsp://admin:hunter2\u0040cam", 'but "rtsp"'),
    at("no-scheme-like-it", "CFG-131", "usb://0bda:0169", "serial://, serial:, tcp://, replay://"),
    at("two-slashes", "CFG-130", "serial://dev/ttyS0", 'did you mean "serial:///dev/ttyS0"'),
    at("one-slash", "CFG-130", "serial:/dev/ttyS0", "serial:///dev/… or serial:VVVV:PPPP"),
    at("usb-id-short", "CFG-130", "serial:1a86:752", 'cannot be "1a86:752"', "serial:VVVV:PPPP"),
    at("usb-port", "CFG-133", "serial:1a86:7523?port=usb1", 'port in the address cannot be "usb1"'),
    at("no-path", "CFG-130", "serial://", "names no file by its path"),
    at("folder", "CFG-130", "serial:///dev/", "names no file by its path"),
    at("nul", "CFG-130", r"serial:///dev/tty\u0000", r'"/dev/tty\u0000"'),
    at("relative-recording", "CFG-130", "replay://visit.rec", "names no file by its path"),
    at("option-typo", "CFG-132", "serial:///dev/ttyS0?baudrate=9600", 'option "baudrate"', 'did you mean "baud"'),
    at("option-without-name", "CFG-132", "serial:///dev/ttyS0?", 'an unknown option ""'),
    at("option-twice", "CFG-132", "serial:///dev/ttyS0?baud=9600&baud=19200", 'twice the option "baud"'),
    at("baud", "CFG-133", "serial:///dev/ttyS0?baud=11520", "baud in the address", 'did you mean "115200"'),
    at("baud-text", "CFG-133", "serial:///dev/ttyS0?baud=fast", "use 1200, 2400"),
    at("baud-missing", "CFG-133", "serial:///dev/ttyS0?baud", 'baud in the address cannot be ""'),
    at("parity", "CFG-133", "serial:///dev/ttyS0?parity=none", 'cannot be "none"', "use N, E, O"),
    at("data-bits", "CFG-133", "serial:///dev/ttyS0?data_bits=9", "use 5, 6, 7, 8"),
    at("stop-bits", "CFG-133", "serial:///dev/ttyS0?stop_bits=1.5", 'stop_bits in the address cannot be "1.5"'),
    at("chunk", "CFG-133", "replay:///var/a.rec?chunk=0", "use 1 to 4096"),
    at("split", "CFG-133", "replay:///var/a.rec?split=-1", "use 0 to 65535"),
    at("tcp-option", "CFG-132", "tcp://10.0.0.1:1?baud=9600", 'unknown option "baud"'),
    at("tcp-no-port", "CFG-130", "tcp://10.0.0.1", "the port is missing", "write tcp://HOST:PORT"),
    at("tcp-port-zero", "CFG-130", "tcp://10.0.0.1:0", "the port 0 is not between 1 and 65535"),
    at("tcp-port-high", "CFG-130", "tcp://10.0.0.1:65536", "the port 65536"),
    at("tcp-port-text", "CFG-130", "tcp://10.0.0.1:telnet", "no host name or IP address"),
    at("tcp-no-host", "CFG-130", "tcp://:4001", "no host name or IP address"),
    at("tcp-bad-ip", "CFG-130", "tcp://10.0.0.256:4001", '"10.0.0.256" is no IP address'),
    at("tcp-bad-ipv6", "CFG-130", "tcp://[::g]:4001", "no host name or IP address"),
    at("tcp-short-ipv6", "CFG-130", "tcp://[1:2]:4001", '"1:2" is no IP address'),
    at("tcp-path", "CFG-130", "tcp://10.0.0.1:4001/x", 'ends with "/x"'),
    broken(
        "port-used-twice",
        "CFG-134",
        TCP,
        'address = "serial:///dev/hall-edge/id-card?baud=9600" #!',
        'address "serial:///dev/hall-edge/id-card" is already used in line 21',
    ),
]


def plain(name: str, code: str, lines: str, *says: str) -> Broken:
    """Return a configuration with other lines in ``[mqtt]``."""
    return broken(name, code, f"{URL}\n{TLS}", f"{lines}\n", *says)


def lab(name: str, code: str, *says: str) -> Broken:
    """Return a configuration in lab mode."""
    return broken(name, code, WINDOW, f"{WINDOW}\nlab = true #!", *says)


BROKER = [
    url("scheme", "CFG-140", "https://broker.hall.example", "broker URL", "write mqtts://HOST:8883"),
    url("no-scheme", "CFG-140", "broker.hall.example:8883", "not mqtts:// or mqtt://"),
    url("topic-behind", "CFG-140", "mqtts://broker.hall.example/hall", "nothing behind"),
    url("query-behind", "CFG-140", "mqtts://broker.hall.example?x=1", "no host name or IP address"),
    url("no-host", "CFG-140", "mqtts://", "no host name or IP address"),
    url("space", "CFG-140", "mqtts://broker hall", "no host name or IP address"),
    url("newline", "CFG-140", r"mqtts://broker\n", "broker URL"),
    url("port-high", "CFG-140", "mqtts://broker:88830", "the port 88830 is not between 1 and 65535"),
    url("port-empty", "CFG-140", "mqtts://broker:", "no host name or IP address"),
    url("bad-ip", "CFG-140", "mqtts://10.0.0.256", '"10.0.0.256" is no IP address'),
    url("credentials", "CFG-141", r"mqtts://w03:hunter2\u0040broker", "user name or password", "password_file"),
    broken("url-number", "CFG-112", URL, "url = 8883 #!", "expected a text, got the number 8883"),
    plain("plain-and-personal", "CFG-142", 'url = "mqtt://10.0.0.1" #!', "without TLS", "write mqtts://"),
    plain("loopback-by-name-only", "CFG-142", 'url = "mqtt://127.0.0.1.example" #!', "without TLS"),
    plain("ca-without-tls", "CFG-115", 'url = "mqtt://localhost"\nca = "@/ca.pem" #!', "mqtt:// does not use ca"),
    lab("lab-with-certificate", "CFG-143", "client certificate", "take lab = true out"),
    broken("no-key-to-seal-to", "CFG-144", f"{JWK}\n\n[[device]]", "\n[[device]] #!", "no subscriber has a key"),
    broken(
        "no-subscriber",
        "CFG-144",
        f'[[subscriber]]\nname = "case-system"\n{JWK}\n\n[[device]]',
        "[[device]] #!",
        "add key to a [[subscriber]]",
    ),
]

FILES = [
    broken("ca-missing", "CFG-150", "@/ca.pem", "@/CA.pem", "ca: ", "No such file", "check path and rights", line=7),
    broken("ca-folder", "CFG-150", "@/ca.pem", "@/credentials", "it is no ordinary file", line=7),
    broken("ca-device", "CFG-150", "@/ca.pem", "/dev/zero", "it is no ordinary file", line=7),
    broken("ca-below-a-file", "CFG-150", "@/ca.pem", "@/ca.pem/x", "Not a directory", line=7),
    broken("ca-long", "CFG-150", "@/ca.pem", f"/{'x' * 5000}", "File name too long", line=7),
    broken("ca-relative", "CFG-150", "@/ca.pem", "ca.pem", "write an absolute path, or credential:NAME", line=7),
    broken("ca-empty", "CFG-150", "@/ca.pem", "", "names no file", line=7),
    broken(
        "ca-is-the-key",
        "CFG-152",
        "@/ca.pem",
        "@/window.key",
        "ca: the file is encrypted, or holds no certificate",
        line=7,
    ),
    broken("key-is-the-certificate", "CFG-152", KEY, 'key = "@/swapped.key" #!', "no private key in PEM form"),
    broken("key-open", "CFG-151", KEY, 'key = "@/open.key" #!', "open to every user", "chmod o= "),
    broken("key-encrypted", "CFG-152", KEY, 'key = "@/encrypted.key" #!', "the file is encrypted"),
    broken(
        "key-pasted", "CFG-150", KEY, 'key = """-----BEGIN PRIVATE KEY-----\nMIIsecret"""', "key: its value", line=9
    ),
    broken(
        "password-open", "CFG-151", URL, f'{URL}\nusername = "w"\npassword_file = "@/open.key" #!', "open to every user"
    ),
    broken(
        "password-itself",
        "CFG-150",
        URL,
        f'{URL}\nusername = "w"\npassword_file = "hunter2" #!',
        "its value cannot be read",
    ),
    broken("no-credential", "CFG-150", KEY, 'key = "credential:windowkey" #!', "No such file"),
    broken("credential-elsewhere", "CFG-150", KEY, 'key = "credential:../window.key" #!', "credential:NAME"),
]
