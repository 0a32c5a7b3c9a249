"""The report of runs: one HTML file that needs no network, with a browser of failures."""
