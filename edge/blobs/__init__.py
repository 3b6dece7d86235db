"""Blobs: pictures and documents, stored beside the outbox and sent in parts on a connection of their own.

::

    driver ─port.blob─► intake (seal, write, sync) ─► outbox: event and blob in one transaction
                                  files ◄─ parts ─ bulk ─► broker ─► subscriber
                                                    ▲ answers ◄─ replay {blob, parts}

A blob is accepted with its event, sent once to the broker in any case, sent again when a subscriber asks, and
deleted when its event has left the outbox and the broker has taken all of it.
"""
