"""Vehicle motion and collisions."""
