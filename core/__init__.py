"""What every package may import: plain data, errors, whole-file writes, provenance."""
