#!/usr/bin/env bash
# The oracle student and its twin without infrared: fog and night as input, the clear-day rendering of the same pose as target. An upper bound
# and its control, not methods. Neither sees a test town. Both learn from the same pairs, of all levels of fog and night, three ratios of fog in the infrared and all hazards.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: [SEEDS='0 1 2'] [POSES=380] [MINUTES=25] recipes/student_oracle.sh WORK" >&2; exit 2; }
mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}
# Moments of the expert's drives in towns that no test and no validation uses, with regular traffic and all hazards.
[ -e poses.parquet ] || "$python" -m harness.perception record --towns $(seq -f 'random:%g' 401 419) --poses 950 --seed 7 --out poses.parquet
# 20 poses of each town, each drawn in every level, through the cameras of drives and of track tests.
"$python" -m harness.perception pairs --poses poses.parquet --count "${POSES:-380}" --camera driving braking \
  --thermal fog_ratio=0.1 fog_ratio=0.5 fog_ratio=1 --workers 2 --out pairs
# train NAME ARGUMENTS: one training, exported as student_NAME.onnx with its card
train() {
  local name=$1; shift
  [ -e "student_$name.onnx" ] && return
  "$python" -m fusionproxy.train --data pairs --out "run_$name" --student cpu --minutes "${MINUTES:-25}" --batch 12 --resume "$@"
  "$python" -m fusionproxy.export "run_$name" --out "student_$name.onnx"
}
for seed in ${SEEDS:-0}; do
  train "oracle_s$seed" --seed "$seed"
  train "oracle_rgb_s$seed" --seed "$seed" --blank-infrared
done
echo "the exports and their cards are in $PWD; choose among seeds by poses (harness.perception act --arms student student:blanked --fuser-weights FILE)"
