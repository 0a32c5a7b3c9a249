"""Frozen perception: labelled frames, a detector, a segmenter, and the brake that follows it."""
