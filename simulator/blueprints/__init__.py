"""What can be spawned: the blueprint library and the models behind it."""
