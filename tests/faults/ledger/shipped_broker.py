"""mosquitto as it is shipped: no friendly limits, and what is persistent is saved every half hour only."""

from __future__ import annotations

import os

from tests.support.broker import HOST, Broker


class ShippedBroker(Broker):
    """Debian's ``mosquitto.conf`` (persistence on, everything else at its default) and a port of ours.

    That means: at most 1,000 messages wait for a client that is away, at most 20 are in flight, and a kill loses
    what was not saved, acknowledged or not.
    """

    def _config_lines(self, port: int) -> list[str]:
        lines = [
            "persistence true",
            f"persistence_location {self.folder}/",
            f"log_dest file {self.log_path}",
            f"listener {port} {HOST}",
            "allow_anonymous true",
        ]
        return [*lines, "user root"] if os.geteuid() == 0 else lines
