"""Rows, their store, statistics and tables."""
