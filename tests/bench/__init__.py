"""Measured numbers of this machine: ``python -m tests.bench``; ``docs/performance.md`` explains them."""
