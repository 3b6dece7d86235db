"""The names of the window's own checks, in the report's order."""

WINDOW = (
    "config", "plugged", "service", "rules", "outbox", "disk", "clock", "certificate", "broker", "rights",
)  # fmt: skip
