"""Needs a package that is not installed."""

from importlib import import_module

import_module("smartcard_of_nobody.util")
