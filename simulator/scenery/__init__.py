"""What stands beside the road network: surfaces, markings, buildings, trees, lamps."""
