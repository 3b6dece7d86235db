"""What a back office imports: every event once, in order, with its gaps named and mended.

::

    async with Subscriber("mqtts://broker:8883", name="case-system", position=Path("position.json")) as s:
        async for event in s:
            ...

``docs/back-office.md`` tells the whole story.
"""

from edge.subscriber.address import Address, Login
from edge.subscriber.blob_files import Blob
from edge.subscriber.client import Subscriber
from edge.subscriber.errors import BadArgument, BlobFolderError, PositionError, Refused, RequestError, SubscriberError
from edge.subscriber.event import Event
from edge.subscriber.model import Gap, Limits, NewStore, Notice, WentBack
from edge.subscriber.packing import Signer
from edge.subscriber.requests import Completion, Reply, Requester
from edge.subscriber.windows import Window, Windows

__all__ = [
    "Address", "BadArgument", "Blob", "BlobFolderError", "Completion", "Event", "Gap", "Limits", "Login", "NewStore",
    "Notice", "PositionError", "Refused", "Reply", "RequestError", "Requester", "Signer", "Subscriber",
    "SubscriberError", "WentBack", "Window", "Windows",
]  # fmt: skip
