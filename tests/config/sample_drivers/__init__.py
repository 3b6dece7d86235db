"""Drivers for the tests of the configuration: two that work, and one of each way to be broken."""
