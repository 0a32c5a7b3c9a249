"""Criteria: each maps world states to infraction events and knows no other criterion."""
