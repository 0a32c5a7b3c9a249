#!/usr/bin/env bash
# The oracle student: fog and night as input, the clear-day rendering of the same pose as target. An upper bound, not a method.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: recipes/student_oracle.sh WORK" >&2; exit 2; }
mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}
[ -e pairs ] || "$python" -m harness.capture --town Town02 $(seq -f 'random:%g' 401 409) --frames 1400 --seed 7 --out pairs
[ -e run ] || "$python" -m fusionproxy.train --data pairs --out run --student cpu --minutes 25 --batch 12 --seed 0
"$python" -m fusionproxy.export run --out student_oracle.onnx
