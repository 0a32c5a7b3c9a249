"""Making the driving policies: recorded drives, training, short checks, export; stands above the harness."""
