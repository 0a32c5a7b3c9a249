"""A run to which harm is done at random moments: what it must not lose, and a count of it."""
