"""What every package may import: plain data, errors, geometry, files, provenance, command lines.

The plan called this room `core`. That name is common in users' folders, and `python -m` looks into
the working directory first, so that a user's `core.py` would have broken every command.
"""
