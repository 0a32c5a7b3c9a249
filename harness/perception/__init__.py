"""What frozen policies do on pictures of recorded poses: counterfactuals without driving.

`python -m harness.perception record` keeps moments of the expert's drives, `draw` draws them in any
weather with labels, `act` asks policies what they would do on each arm's picture, `table` and
`correlate` say what came of it. See docs/perception.md.
"""
