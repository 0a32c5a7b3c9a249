"""The server around the world: ports, threads, parked calls and changes of the map."""
