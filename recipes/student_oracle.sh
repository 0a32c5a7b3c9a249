#!/usr/bin/env bash
# The oracle student and its twin without infrared: fog and night as input, the clear-day rendering of the same pose as target. An upper bound
# and its control, not methods. Neither sees a test town. Both learn from the same pairs, of all levels of fog and night, three ratios of fog in the infrared and all hazards.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: [SEEDS='0 1 2'] [POSES=380] [MINUTES=45] [INIT=student_oracle] recipes/student_oracle.sh WORK" >&2; exit 2; }
here=$(realpath "$(dirname "$0")"); mkdir -p "$1"; cd "$1"
. "$here/student_steps.bash"

record
# 20 poses of each town, each drawn in every level, through the cameras of drives and of track tests.
"$python" -m harness.perception pairs --poses poses.parquet --count "${POSES:-380}" --camera driving braking \
  --thermal fog_ratio=0.1 fog_ratio=0.5 fog_ratio=1 --workers 2 --out pairs
for seed in ${SEEDS:-0}; do twins oracle "$seed" --data pairs --minutes "${MINUTES:-45}"; done
echo "the exports and their cards are in $PWD; choose among seeds by poses (harness.perception act --arms student student:blanked --fuser-weights FILE)"
