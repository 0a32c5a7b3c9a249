"""The process around the simulation: its folders, flags, children, compiled kernels and timing."""
