"""Where an event becomes durable: the outbox, its file, and everything that can happen to a disk."""
