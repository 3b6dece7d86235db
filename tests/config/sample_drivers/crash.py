"""Does not survive its own import."""

raise RuntimeError("a\nb" * 500)
