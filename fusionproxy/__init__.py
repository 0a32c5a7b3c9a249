"""FusionProxy: infrared/visible image fusion students, usable without the driving harness."""
