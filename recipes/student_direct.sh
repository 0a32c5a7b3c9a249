#!/usr/bin/env bash
# The student without a teacher and its twin without infrared: clear pictures of many towns in made-up weather, and nothing else of the simulator.
# They are the controls of distillation: is a teacher worth it, and what is the infrared?
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: [SEEDS='0 1 2'] [MINUTES=60] recipes/student_direct.sh WORK" >&2; exit 2; }
here=$(realpath "$(dirname "$0")"); mkdir -p "$1"; cd "$1"
. "$here/student_steps.bash"

record
# Only the clear pictures of the pairs are used, so that one level is enough. Hazards bring people and cars in the way.
"$python" -m harness.perception pairs --poses poses.parquet --level fog --camera driving braking --workers 2 --out pairs
for seed in ${SEEDS:-0}; do twins direct "$seed" --clear pairs --minutes "${MINUTES:-60}" --no-misalignment; done
echo "the exports and their cards are in $PWD; choose among seeds by poses (harness.perception act --arms student student:blanked --fuser-weights FILE)"
