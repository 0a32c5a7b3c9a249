"""A kept drive as a file of other viewers, Rerun's .rrd or MCAP; the pictures are drawn anew."""
