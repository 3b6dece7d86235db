"""What every table and key of the configuration is for: written by hand."""

from __future__ import annotations

from collections.abc import Mapping

ABOUT = """
One TOML file says which window this is, which broker it talks to, who fetches its events, and which devices it
has. Everything is checked before anything starts; a key that nobody knows is refused with its line and the
nearest name that is known. hall-edge check names all mistakes at once, hall-edge init writes the file by five
questions, and hall-edge reload lets the running daemon read it anew.
"""
TABLES: Mapping[str, str] = {
    "window": "Which window this is, and what may run on it. Required.",
    "mqtt": "The broker. Required.",
    "paths": "Where the daemon keeps its store and its socket; systemd gives both.",
    "log": "What is logged.",
    "blobs": "The disk that pictures and documents may use, in 10^6 bytes.",
    "outbox": "The disk that events may use, in 10^6 bytes.",
    "retention": "How long events are kept that nobody confirms.",
    "page": "The status page, for this PC only.",
    "commands": "What may be asked of the devices over MQTT.",
    "requester": "Whose signed requests are taken; with one of them, no unsigned request is. At most 16.",
    "sealing": "A foreign package that seals personal data instead of the one that is built in.",
    "subscriber": "A back office whose acknowledgements count. At most 16.",
    "device": "A device. At most 64. Each driver has settings of its own beside these: docs/devices.md.",
}
KEYS: Mapping[str, str] = {
    "window.hall": "The hall's name, as in every topic.",
    "window.window": "The window's name, as w03.",
    "window.lab": "A test PC: personal data is sealed to a key of this PC. Never for citizens.",
    "window.allow_drivers": "Packages whose drivers may be loaded beside the shipped ones.",
    "mqtt.url": "The broker: mqtts://HOST[:PORT]; mqtt:// only to this PC or on a test PC.",
    "mqtt.ca": "File with the certificates of the broker's authority.",
    "mqtt.crl": "File with that authority's list of revoked certificates.",
    "mqtt.certificate": "File with this window's certificate.",
    "mqtt.certificate_name": "The name that the certificate holds, where it is not the window's own.",
    "mqtt.key": "File with the certificate's private key.",
    "mqtt.username": "User name at the broker.",
    "mqtt.password_file": "File with its password.",
    "mqtt.keepalive_s": "So many seconds without a word, and the broker is asked whether it is there.",
    "mqtt.window": "So many events may be under way at once.",
    "paths.state": "Folder of the store.",
    "paths.run": "Folder of the socket.",
    "log.level": "What is logged; traffic also logs how many bytes go to and from devices.",
    "log.format": "Lines for people or for programs.",
    "blobs.max_mb": "So much they may use.",
    "blobs.reserve_mb": "So much must stay free for all else.",
    "outbox.max_mb": "So much they may use.",
    "outbox.reserve_mb": "So much must stay free then.",
    "retention.public_days": "Events without personal data.",
    "retention.personal_days": "Events with personal data.",
    "retention.sensitive_hours": "Events with sensitive data.",
    "page.enabled": "Whether it is served.",
    "page.port": "Its port on the loopback interface.",
    "commands.allow": "Kinds of requests that are taken: read, test, act.",
    "requester.name": "The requester's name.",
    "requester.key": "File with its public key, a JWK.",
    "requester.allow": "Kinds of requests that are taken from it, instead of those of [commands].",
    "sealing.provider": "Its name.",
    "sealing.package": "The package that offers it.",
    "subscriber.name": "Its name, as in the topic of its acknowledgements.",
    "subscriber.key": "File with its public key, a JWK or a JWK Set; needed where personal data is read.",
    "device.name": "The device's name, as in its topics.",
    "device.driver": "The driver; hall-edge discover names the one that fits.",
    "device.address": "Where it is, as serial:///dev/hall-edge/pad.",
    "device.mode": "Whether its events are real; simulated ones are marked.",
    "device.enabled": "Whether it is used at all.",
}
EXAMPLE = """\
[window]
hall = "songjiang-district"
window = "w03"

[mqtt]
url = "mqtts://broker.hall.example:8883"
ca = "/etc/hall-edge/ca.pem"

[[subscriber]]
name = "case-system"
key = "/etc/hall-edge/case-system.jwk"

[[device]]
name = "pad-1"
driver = "pad_serial"
address = "serial:///dev/hall-edge/pad"
profile = "stx_bcc"
"""
