"""Measured numbers of this machine: ``python -m tests.bench`` (``make bench``); ``docs/performance.md`` explains them."""
