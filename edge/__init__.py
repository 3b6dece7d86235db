"""The core of hall-edge: it knows no brand, no vendor id and no device protocol.

See ``docs/`` for its users and ``DECISIONS.md`` for why it is as it is.
"""

__version__ = "0.1.0"
