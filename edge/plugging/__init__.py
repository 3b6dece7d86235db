"""What is plugged into this PC, and what that means for its devices."""
