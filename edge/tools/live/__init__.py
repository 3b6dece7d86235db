"""What ``hall-edge status`` and ``hall-edge watch`` show of the daemon's snapshot."""
