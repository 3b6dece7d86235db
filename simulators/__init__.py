"""Stand in for the devices of a service window: their own bytes, on a pseudo-terminal at a stable path.

A simulator is an address, not a mode: the daemon, or any vendor's tool, opens ``DIR/NAME`` as it would open
``/dev/ttyUSB0`` and cannot tell the difference by the bytes. Nothing of the daemon is imported here, so a
mistake in the daemon's codecs cannot hide by being shared. Standard library only (pages and desks are drawn with
OpenCV), Linux only.

    python -m simulators --dir /tmp/window id-1=idcard_sdt pad-1=pad_serial,profile=addressable

What is here: ``idcard_sdt`` (ID-card reader), ``pad_serial`` (evaluation pad, four profiles), ``code_serial``
(scan gun); ``idcard_usb`` (the same reader on USB, exported over USB/IP), ``pad_hid`` (evaluation pad, at a UNIX
socket instead of a HID node); ``card_pcsc`` (a PC/SC service with readers and cards; ``python -m simulators.vpcd`` puts
the same cards into a real one), ``camera_uvc`` (document camera over a desk), ``scanner_escl`` (network scanner);
``people`` (synthetic citizens), ``bench`` (all devices, for tests), ``scenario`` (what a person and a bad cable do, one
action a line). No device, but what a window needs too: ``mqtt_broker``, a broker that does wrong what it is told to.

What they do not do:

* no modem lines, parity, data bits or break: a pseudo-terminal ignores them, so a wrong 7E1 is not noticed;
* no speed: bytes arrive as fast as the machine is, not at 9600 baud (``pace=`` and ``chunk`` slow them down);
* no USB node: a plug is a path or a USB/IP export that appears, without a uevent; descriptors has ``idcard_usb`` only;
* no real card: photos are a drawing, not WLT; fingerprints are a pattern with a correct head; nothing is
  encrypted and nobody is authenticated; the people do not exist (area code 000000, country UTO);
* no certainty where the field has none: the silence of a SAM after a reset and its status for a wrong order are
  options with a plausible default, the 28 bytes of the card body are made up;
* no hang-up for a copy: a process forked from the one that runs a ``Bench`` holds the ports open (exec does not).
"""
