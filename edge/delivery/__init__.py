"""From the outbox to the broker and back: the connection, what is under way, what subscribers ask for."""
