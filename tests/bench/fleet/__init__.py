"""A fleet of windows against real brokers: how many events they carry, and how the fleet comes back."""
