"""Track tests: emergency braking on a straight road, after Euro NCAP and FMVSS 127.

`python -m harness.track` drives them. Nothing here needs a policy: a controller holds lane and
speed, a detector looks at the arm's image, and a rule brakes.
"""
