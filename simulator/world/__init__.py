"""The world that clients act in: the running episode, its scene, spawning, lights, layers."""
