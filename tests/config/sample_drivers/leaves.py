"""Ends the program."""

raise SystemExit(3)
