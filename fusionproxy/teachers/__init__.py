"""Diffusion teachers: DDFM, Mask-DiFuser, and whatever else can be called (Sec. 3.2)."""
