"""Who is visible to whom: grey levels and d' of people and vehicles by distance and weather.

`python -m harness.detectability` measures them on pictures of both cameras before any network is
trained; it tells which cells can need infrared, and checks that weather and thermal camera are what
the documentation says.
"""
