"""Was written for another version of the core."""

from importlib import import_module

import_module("edge.no_such_module")
