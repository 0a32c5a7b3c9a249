"""Making the driving policies: drives, training, checks, export; above the harness."""
