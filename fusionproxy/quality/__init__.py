"""Quality of fused images: classical and learned metrics, frozen downstream models.

The classical metrics need numpy and OpenCV only; the others import their extras when asked for.
"""
