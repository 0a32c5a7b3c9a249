"""Towns: authored ones that ship with the package, and official OpenDRIVE files."""
