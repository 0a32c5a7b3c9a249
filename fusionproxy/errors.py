"""Errors of this package that a user sees as one clear message."""


class FusionError(ValueError):
    """An input, file or setting that cannot be used; the text says what was expected."""
