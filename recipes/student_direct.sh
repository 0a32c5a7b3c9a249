#!/usr/bin/env bash
# The student without a teacher and its twin without infrared: clear pictures of many towns in made-up weather, and nothing else of the simulator.
# They are the controls of distillation: is a teacher worth it, and what is the infrared?
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: [SEEDS='0 1 2'] [MINUTES=40] recipes/student_direct.sh WORK" >&2; exit 2; }
mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}
# Moments of the expert's drives in towns that no test and no validation uses, with regular traffic and all hazards.
[ -e poses.parquet ] || "$python" -m harness.perception record --towns $(seq -f 'random:%g' 401 419) --poses 950 --seed 7 --out poses.parquet
# Only the clear pictures of the pairs are used, so that one level is enough. Hazards bring people and cars in the way.
"$python" -m harness.perception pairs --poses poses.parquet --level fog --camera driving braking --workers 2 --out pairs
# train NAME ARGUMENTS: one training, exported as student_NAME.onnx with its card
train() {
  local name=$1; shift
  [ -e "student_$name.onnx" ] && return
  "$python" -m fusionproxy.train --clear pairs --out "run_$name" --student cpu --minutes "${MINUTES:-40}" --batch 12 --resume --no-misalignment "$@"
  "$python" -m fusionproxy.export "run_$name" --out "student_$name.onnx"
}
for seed in ${SEEDS:-0}; do
  train "direct_s$seed" --seed "$seed"
  train "direct_rgb_s$seed" --seed "$seed" --blank-infrared
done
echo "the exports and their cards are in $PWD; choose among seeds by poses (harness.perception act --arms student student:blanked --fuser-weights FILE)"
