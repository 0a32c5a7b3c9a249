"""Frozen foundation backbones whose features route and align the student (Sec. 3.3, appendix A)."""
