"""Verbs of the command line that are programs of their own."""
