"""Names no settings_type."""

from tests.config.sample_drivers._helper import Quiet


class Careless(Quiet):
    kind = "id-card"
