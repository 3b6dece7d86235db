"""Know the wire protocol of pcsc-lite's clients, versions 4.4 to 4.6: structures in native byte order, and codes.

A request is ``u32 size, u32 command`` and a body of that size; the reply is the same body, filled in, without a head.
The data of TRANSMIT and CONTROL follows the body and is not counted.
"""

import struct
from enum import IntEnum

SLOTS = 16
LONGEST = 65548
MAJOR, MINORS = 4, range(4, 7)
HEAD = struct.Struct("<II")
VERSION = struct.Struct("<iiI")
PUSHED = struct.Struct("<II")
ESTABLISH = struct.Struct("<III")
PAIR = struct.Struct("<II")
CONNECT = struct.Struct("<I128sIIiII")
RECONNECT = struct.Struct("<iIIIII")
DISPOSED = struct.Struct("<iII")
HANDLE = struct.Struct("<iI")
TRANSMIT = struct.Struct("<iIIIIIII")
CONTROL = struct.Struct("<iIIIII")
ATTRIBUTE = struct.Struct("<iI264sII")
READER = struct.Struct("<128sIIi33s3xII")


class Command(IntEnum):
    """What a client asks for."""

    ESTABLISH = 0x01
    RELEASE = 0x02
    CONNECT = 0x04
    RECONNECT = 0x05
    DISCONNECT = 0x06
    BEGIN = 0x07
    END = 0x08
    TRANSMIT = 0x09
    CONTROL = 0x0A
    STATUS = 0x0B
    CANCEL = 0x0D
    GET_ATTRIBUTE = 0x0F
    SET_ATTRIBUTE = 0x10
    VERSION = 0x11
    READERS = 0x12
    WAIT = 0x13
    STOP_WAITING = 0x14
    EVENTS = 0x15
    READERS_SIZE = 0x16
    READERS_ARRAY = 0x17


class Result(IntEnum):
    """What pcscd answers."""

    OK = 0
    CANCELLED = 0x80100002
    INVALID_HANDLE = 0x80100003
    INSUFFICIENT_BUFFER = 0x80100008
    UNKNOWN_READER = 0x80100009
    SHARING_VIOLATION = 0x8010000B
    NO_CARD = 0x8010000C
    PROTOCOL_MISMATCH = 0x8010000F
    NOT_TRANSACTED = 0x80100016
    READER_UNAVAILABLE = 0x80100017
    SERVICE_STOPPED = 0x8010001E
    UNSUPPORTED = 0x80100022
    UNRESPONSIVE = 0x80100066
    RESET = 0x80100068
    REMOVED = 0x80100069
    SECURITY_VIOLATION = 0x8010006A


ABSENT, PRESENT, SWALLOWED, POWERED, NEGOTIABLE = 0x02, 0x04, 0x08, 0x10, 0x20
EXCLUSIVE, SHARED, DIRECT = 1, 2, 3
"""How a client connects."""
LEAVE = 0
ATR_ATTRIBUTE, VENDOR_ATTRIBUTE, NAME_ATTRIBUTE = 0x90303, 0x10100, 0x7FFF0003
FEATURE_REQUEST = 0x42000000 + 3400
