"""The self-test: can this window open? Checks, what they found, and the answer."""
