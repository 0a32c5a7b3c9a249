"""Training of detectors and segmenters: random scenes with labels, networks, export."""
