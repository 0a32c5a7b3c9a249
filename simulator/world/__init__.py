"""One run of a town: episode, scene, spawning, lights, layers."""
