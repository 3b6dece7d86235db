"""What can go wrong for a back office, with one action each. Codes in use:

======= =====================================================================================================
SUB-101 the broker refuses a subscription           SUB-107 the window's key is not known
SUB-102 the broker refuses what we publish          SUB-108 the broker cannot be reached
SUB-103 an argument makes no sense                  SUB-110 a sealed view does not belong to its event
SUB-104 the position file cannot be used            SUB-111 the sealed view never came, its store is gone
SUB-105 the window is offline                       SUB-112 the daemon no longer has the sealed view
SUB-106 no answer in time                           SUB-113 a message is not what the contract says
SUB-114 a blob cannot be written                    SUB-115 the folder for blobs cannot be used
SUB-116 a window's store is an older copy of itself  SUB-117 ``listen --save`` cannot write
======= =====================================================================================================

SEC codes come from :mod:`edge.sealing.jwe`: 101 sealed to other keys, 102 damaged, 103 no such key, 115 no private one.
"""

from __future__ import annotations

from edge.errors import EdgeError


class SubscriberError(EdgeError):
    """Base of what the subscriber library raises."""

    default_code = "SUB-100"


class Refused(SubscriberError):
    """The broker understands us and says no."""

    default_code = "SUB-102"
    default_action = "look at the broker's access list for this subscriber"


class BadArgument(SubscriberError):
    """The caller asks for something that cannot work."""

    default_code = "SUB-103"
    default_action = "correct the argument"


class PositionError(SubscriberError):
    """The position file cannot be read or written."""

    default_code = "SUB-104"
    default_action = "check the file's folder and rights; to begin anew on purpose, move the file away"


class BlobFolderError(SubscriberError):
    """The folder for blobs cannot be used."""

    default_code = "SUB-115"
    default_action = "check the folder and its rights, and the space on its disk"


class RequestError(SubscriberError):
    """A request got no completion; whether the window acted on it is not known."""

    default_code = "SUB-106"
    default_action = "look at the window's status and events before asking again"


class WireError(SubscriberError):
    """A message is not what the contract says. Never holds its content."""

    default_code = "SUB-113"
    default_action = "compare the versions of daemon and library, and who may publish there"
