"""Why a bench ends without figures."""


class BenchFailure(Exception):  # noqa: N818  # it is no error of the bench's own code
    """A message was lost, doubled or out of order, or a contender does not do its work: no figure counts then."""
