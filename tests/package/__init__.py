"""The package in a clean Debian 12: ``make package-test``, never ``make test``."""
