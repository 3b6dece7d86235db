"""Lanes: where a driver's blocking methods run, one at a time; the only border to asyncio."""
