#!/usr/bin/env bash
# The frozen detector and segmenter: random scenes of clear days with labels, then one training.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: recipes/detector.sh WORK" >&2; exit 2; }
mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}
"$python" -m perceivers.training collect --frames 8000 --seed 1 --out frames
[ -e run/last.pth ] && again=--resume || again=--no-resume
"$python" -m perceivers.training train --data frames --out run --minutes 120 --seed 0 $again
"$python" -m perceivers.training export run --out perceiver_v1.onnx
"$python" -m perceivers.training sheet --data frames --weights perceiver_v1.onnx --out sheet.png
echo "perceiver_v1.onnx and its card are in $1; copy them to perceivers/weights once they avoid the track tests of a clear day"
