"""Why a bench ends without figures."""


class BenchFailure(Exception):
    """A message was lost, doubled or out of order, or a contender does not do its work: no figure counts then."""
