"""Who can read a personal body: sealing it to the back office, and where other algorithms are plugged in."""
